using JasperFx;
using JasperFx.Events.Daemon;
using Kuik.Hosting;
using Marten;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// Runs this service's async projections and subscriptions in the leader, and keeps them running: failed shards are restarted, so that they
/// continue as soon as the cause is gone; shards that make no progress without an error are restarted too.
/// </summary>
/// <remarks>Marten's daemon with our own leader election: docs/decisions/0002-relay-and-high-water.md explains why.</remarks>
internal sealed partial class ProjectionDaemon(
    IDocumentStore store, NpgsqlDataSource postgres, Leadership leadership, EventLogReady ready, PostgresAvailability availability,
    EventLogMetrics metrics, TimeProvider time,
    ILogger<ProjectionDaemon> logger, ILoggerFactory loggers) : BackgroundService
{
    private const string Part = "projections";

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    /// <summary>
    /// The pause before a failed shard is restarted; twice as long after each consecutive failure of Postgres, which may
    /// be unable to store its progress.
    /// </summary>
    private static readonly TimeSpan RestAfterFailure = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan LongestRest = TimeSpan.FromMinutes(1);

    /// <summary>How long a shard with pending events may make no progress before it is reported and restarted.</summary>
    internal static readonly TimeSpan StandsStillAfter = TimeSpan.FromSeconds(60);

    private readonly Dictionary<string, ShardProgress> _progress = [];
    private readonly Dictionary<string, int> _failures = [];
    private readonly BackOff _backOff = new(time, EventLogWorker.LongestPause);
    private IProjectionDaemon? _daemon;

    /// <summary>The progress of each shard in this replica; empty when it does not lead.</summary>
    public IReadOnlyList<ShardProgress> Progress { get { lock (_progress) return [.. _progress.Values]; } }

    /// <summary>The names of this service's projections and subscriptions.</summary>
    private IReadOnlyList<string> Shards { get; } =
        [.. ((DocumentStore)store).Options.Projections.AllShards().Select(shard => shard.Name.Identity)];

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        metrics.ObserveShards(() => Progress);
        await ready.Wait(stoppingToken);
        while (true)
            await Task.Delay(await KeepRunning(stoppingToken), time, stoppingToken);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await Stop();
        await leadership.GiveUp();
    }

    /// <summary>Runs one pass: leads if possible, then checks every shard.</summary>
    /// <returns>The pause before the next pass.</returns>
    internal async Task<TimeSpan> KeepRunning(CancellationToken ct)
    {
        try
        {
            if (await leadership.TryHold(ct))
            {
                // A working shard that cannot store its progress would process the same page again and again.
                if (await PostgresHealth.ReadOnlyBecause(postgres, ct) is { } cause)
                    throw new NpgsqlException($"takes no writes: {cause}");
                _daemon ??= await store.BuildProjectionDaemonAsync(logger: loggers.CreateLogger("Marten.Daemon"));
                var last = await LastEvent(ct);
                foreach (var shard in Shards)
                    await Keep(_daemon, shard, last, ct);
            }
            availability.ReportSuccess(Part);
            _backOff.Reset();
            return Interval;
        }
        catch (Exception e) when (EventLogFault.MeansAway(e) && !ct.IsCancellationRequested)
        {
            // Leadership may be lost with the connection: another replica may have it already.
            if (_daemon is not null)
                LogLostLead(PostgresHealth.AddressOf(postgres), EventLogFault.ReasonOf(e));
            availability.ReportFailure(Part, e, isSilent: _daemon is not null);
            await Stop();
            return _backOff.Next();
        }
    }

    private async Task Keep(IProjectionDaemon running, string shard, long last, CancellationToken ct)
    {
        var agent = running.CurrentAgents().FirstOrDefault(a => a.Name.Identity == shard);
        var before = Of(shard);
        var now = Set((before ?? new ShardProgress(shard, -1, 0, time.GetUtcNow(), null))
            .After(agent?.Position ?? -1, last, agent?.Failure, time.GetUtcNow()));
        now = Set(now with { Lag = now.Position < last ? await LagOf(now.Position, ct) : TimeSpan.Zero });
        if (now.Failure is { } failure && before?.Failure?.OccurredAt != failure.OccurredAt)
        {
            if (failure.RootExceptionType?.Contains(nameof(Npgsql), StringComparison.Ordinal) == true)
                _failures[shard] = _failures.GetValueOrDefault(shard) + 1;
            if (before?.Failure?.Message != failure.Message)
                LogFailed(shard, failure.ToString());
        }
        if (now.Failure is null)
            _failures.Remove(shard);

        var isRunning = running.StatusFor(shard) == AgentStatus.Running;
        if (isRunning && now.StandsStill(time.GetUtcNow()) is { } since)
        {
            LogStandsStill(shard, now.Position, last, since);
            await running.StopAgentAsync(shard);
            Set(now with { Since = time.GetUtcNow() });
            isRunning = false;
        }
        var hasRested = agent?.PausedTime is not { } paused || time.GetUtcNow() - paused >= RestOf(_failures.GetValueOrDefault(shard));
        if (!isRunning && hasRested)
            await running.StartAgentAsync(shard, ct);
    }

    internal static TimeSpan RestOf(int failuresInARow) =>
        failuresInARow > 4 ? LongestRest : RestAfterFailure * Math.Pow(2, Math.Max(failuresInARow - 1, 0));

    private async Task<long> LastEvent(CancellationToken ct)
    {
        await using var command = postgres.CreateCommand($"select coalesce(max(seq_id), 0) from {EventLogSetup.Schema}.mt_events");
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>
    /// The age of the first event with a time after a position. A tombstone, which Marten writes for the number of a failed
    /// append, has none (<c>-infinity</c>).
    /// </summary>
    private async Task<TimeSpan> LagOf(long position, CancellationToken ct)
    {
        await using var command = postgres.CreateCommand($"""
            select greatest(extract(epoch from clock_timestamp() - timestamp), 0)::float8 from {EventLogSetup.Schema}.mt_events
            where seq_id > $1 and isfinite(timestamp) order by seq_id limit 1
            """);
        command.Parameters.Add(new() { Value = position });
        return TimeSpan.FromSeconds(await command.ExecuteScalarAsync(ct) as double? ?? 0);
    }

    private async Task Stop()
    {
        lock (_progress)
            _progress.Clear();
        if (_daemon is null)
            return;
        await _daemon.StopAllAsync();
        _daemon.Dispose();
        _daemon = null;
    }

    private ShardProgress? Of(string shard) { lock (_progress) return _progress.GetValueOrDefault(shard); }

    private ShardProgress Set(ShardProgress next) { lock (_progress) return _progress[next.Shard] = next; }

    [LoggerMessage(LogLevel.Error, "Shard {Shard} stopped; retrying every few seconds: {Failure}")]
    private partial void LogFailed(string shard, string failure);

    [LoggerMessage(LogLevel.Warning, "Shard {Shard} has made no progress at event {Position} of {Last} since {Since:O}; restarting it")]
    private partial void LogStandsStill(string shard, long position, long last, DateTimeOffset since);

    [LoggerMessage(LogLevel.Warning, "Postgres at {Address} fails ({Reason}); projections are stopped until it answers")]
    private partial void LogLostLead(string address, string reason);
}
