using JasperFx;
using JasperFx.Events.Daemon;
using Kuik.Hosting;
using Marten;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// Runs this service's async projections and subscriptions in the one replica that leads, and keeps them running: what has failed is
/// started again, so that it goes on as soon as its cause is gone; what stands still without an error is started again too.
/// </summary>
/// <remarks>It is Marten's daemon under a lead of our own: see docs/decisions/0002-relay-and-high-water.md for why.</remarks>
internal sealed partial class ProjectionDaemon(
    IDocumentStore store, NpgsqlDataSource postgres, Leadership leadership, EventLogReady ready, PostgresAvailability availability,
    EventLogMetrics metrics, TimeProvider time,
    ILogger<ProjectionDaemon> logger, ILoggerFactory loggers) : BackgroundService
{
    private const string Part = "projections";

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    /// <summary>How long a shard rests after a failure before it is started again; after each further one in a row of Postgres, which may be that
    /// its progress cannot be written, twice as long.</summary>
    private static readonly TimeSpan RestAfterFailure = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan LongestRest = TimeSpan.FromMinutes(1);

    /// <summary>How long a shard may stand still with events before it, before it is reported and started again.</summary>
    internal static readonly TimeSpan StandsStillAfter = TimeSpan.FromSeconds(60);

    private readonly Dictionary<string, ShardProgress> progress = [];
    private readonly Dictionary<string, int> failures = [];
    private readonly BackOff backOff = new(time, EventLogWorker.LongestPause);
    private IProjectionDaemon? daemon;

    /// <summary>How each shard gets on in this replica; empty when it does not lead.</summary>
    public IReadOnlyList<ShardProgress> Progress { get { lock (progress) return [.. progress.Values]; } }

    /// <summary>Names of what this service projects and subscribes.</summary>
    private IReadOnlyList<string> Shards { get; } = [.. ((DocumentStore)store).Options.Projections.AllShards().Select(shard => shard.Name.Identity)];

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

    /// <summary>One pass: lead if possible, then look at every shard.</summary>
    /// <returns>The pause before the next pass.</returns>
    internal async Task<TimeSpan> KeepRunning(CancellationToken ct)
    {
        try
        {
            if (await leadership.TryHold(ct))
            {
                // A shard that works and cannot write its progress would do the same page again and again.
                if (await PostgresHealth.ReadOnlyBecause(postgres, ct) is { } cause)
                    throw new NpgsqlException($"takes no writes: {cause}");
                daemon ??= await store.BuildProjectionDaemonAsync(logger: loggers.CreateLogger("Marten.Daemon"));
                var last = await LastEvent(ct);
                foreach (var shard in Shards)
                    await Keep(daemon, shard, last, ct);
            }
            availability.ReportSuccess(Part);
            backOff.Reset();
            return Interval;
        }
        catch (Exception e) when (EventLogFault.MeansAway(e) && !ct.IsCancellationRequested)
        {
            // The lead may have gone with the connection: another replica may have it already.
            if (daemon is not null)
                LogLostLead(PostgresHealth.AddressOf(postgres), EventLogFault.ReasonOf(e));
            availability.ReportFailure(Part, e, isSilent: daemon is not null);
            await Stop();
            return backOff.Next();
        }
    }

    private async Task Keep(IProjectionDaemon running, string shard, long last, CancellationToken ct)
    {
        var agent = running.CurrentAgents().FirstOrDefault(a => a.Name.Identity == shard);
        var before = Of(shard);
        var now = Set((before ?? new ShardProgress(shard, -1, 0, time.GetUtcNow(), null)).After(agent?.Position ?? -1, last, agent?.Failure, time.GetUtcNow()));
        now = Set(now with { Lag = now.Position < last ? await LagOf(now.Position, ct) : TimeSpan.Zero });
        if (now.Failure is { } failure && before?.Failure?.OccurredAt != failure.OccurredAt)
        {
            if (failure.RootExceptionType?.Contains(nameof(Npgsql), StringComparison.Ordinal) == true)
                failures[shard] = failures.GetValueOrDefault(shard) + 1;
            if (before?.Failure?.Message != failure.Message)
                LogFailed(shard, failure.ToString());
        }
        if (now.Failure is null)
            failures.Remove(shard);

        var isRunning = running.StatusFor(shard) == AgentStatus.Running;
        if (isRunning && now.StandsStill(time.GetUtcNow()) is { } since)
        {
            LogStandsStill(shard, now.Position, last, since);
            await running.StopAgentAsync(shard);
            Set(now with { Since = time.GetUtcNow() });
            isRunning = false;
        }
        var hasRested = agent?.PausedTime is not { } paused || time.GetUtcNow() - paused >= RestOf(failures.GetValueOrDefault(shard));
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

    /// <summary>The age of the first event after a position that has a time. A tombstone, which Marten writes for a number that a failed
    /// append has used, has none (<c>-infinity</c>).</summary>
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
        lock (progress)
            progress.Clear();
        if (daemon is null)
            return;
        await daemon.StopAllAsync();
        daemon.Dispose();
        daemon = null;
    }

    private ShardProgress? Of(string shard) { lock (progress) return progress.GetValueOrDefault(shard); }

    private ShardProgress Set(ShardProgress next) { lock (progress) return progress[next.Shard] = next; }

    [LoggerMessage(LogLevel.Error, "{Shard} has stopped and is tried again every few seconds: {Failure}")]
    private partial void LogFailed(string shard, string failure);

    [LoggerMessage(LogLevel.Warning, "{Shard} has stood still at event {Position} of {Last} since {Since:O}: starting it again")]
    private partial void LogStandsStill(string shard, long position, long last, DateTimeOffset since);

    [LoggerMessage(LogLevel.Warning, "Postgres at {Address} does not answer as it should ({Reason}): its projections stop, and start again when it does")]
    private partial void LogLostLead(string address, string reason);
}

/// <summary>How far one projection or subscription has come.</summary>
/// <param name="Shard">Its name.</param>
/// <param name="Position">The sequence number of the last event it is done with.</param>
/// <param name="Last">The sequence number of the last event in the log.</param>
/// <param name="Since">UTC: when <paramref name="Position"/> last changed, or the shard was last seen to have nothing to do.</param>
/// <param name="Failure">Why it does not get past <paramref name="Position"/>; null as long as it does.</param>
internal sealed record ShardProgress(string Shard, long Position, long Last, DateTimeOffset Since, ShardFailure? Failure)
{
    /// <summary>The age of the oldest event after <see cref="Position"/>.</summary>
    public TimeSpan Lag { get; init; }

    /// <summary>What has been seen now.</summary>
    /// <param name="position">-1 when the shard has not started.</param>
    /// <param name="last">The last event in the log.</param>
    /// <param name="failure">Null also just after it was started again: a failure is over when the shard has got past it.</param>
    /// <param name="now">UTC.</param>
    public ShardProgress After(long position, long last, ShardFailure? failure, DateTimeOffset now)
    {
        var hasMoved = position > Position || position >= last;
        return new ShardProgress(Shard, Math.Max(position, Position), last, hasMoved ? now : Since, failure ?? (hasMoved ? null : Failure));
    }

    /// <summary>Since when it has had events before it and not moved, when that is too long; null when it is not.</summary>
    public DateTimeOffset? StandsStill(DateTimeOffset now) => Position < Last && now - Since >= ProjectionDaemon.StandsStillAfter ? Since : null;
}
