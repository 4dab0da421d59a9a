using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// At the start, waits until Postgres answers and the tables have the version that this service needs (<see cref="EventLogSchema"/>).
/// Changes nothing. Does not delay the host: until then the service is not ready.
/// </summary>
internal sealed partial class EventLogInitializer(NpgsqlDataSource postgres, EventLogReady ready, TimeProvider time,
    ILogger<EventLogInitializer> logger)
    : BackgroundService
{
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(2);

    private string? _said;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(RetryInterval, time);
        while (!await TryPrepare(stoppingToken))
            await timer.WaitForNextTickAsync(stoppingToken);
        ready.Set();
    }

    /// <summary>Checks once. False when Postgres is unreachable, or the tables do not exist.</summary>
    internal async Task<bool> TryPrepare(CancellationToken ct)
    {
        var address = PostgresHealth.AddressOf(postgres);
        try
        {
            await using var connection = await postgres.OpenConnectionAsync(ct);
            ready.Problem = EventLogSchema.ProblemOf(await EventLogSchema.ReadVersion(connection, ct));
            if (ready.Problem is { } problem && _said != problem)
                LogWaits(address, _said = problem, (int)RetryInterval.TotalSeconds);
            if (ready.Problem is null && _said is not null)
                LogAnswers(address);
            return ready.Problem is null;
        }
        catch (Exception e) when (EventLogFault.MeansAway(e))
        {
            var reason = EventLogFault.ReasonOf(e);
            ready.Problem = $"does not answer at {address}: {reason}";
            if (_said is null)
                LogDoesNotAnswer(address, reason, (int)RetryInterval.TotalSeconds);
            _said ??= reason;
            return false;
        }
    }

    [LoggerMessage(LogLevel.Warning,
        "Postgres at {Address} does not answer ({Reason}); retrying every {Seconds} s, nothing is recorded until it does")]
    private partial void LogDoesNotAnswer(string address, string reason, int seconds);

    [LoggerMessage(LogLevel.Warning, "Postgres at {Address} cannot be used yet: {Problem}; retrying every {Seconds} s")]
    private partial void LogWaits(string address, string problem, int seconds);

    [LoggerMessage(LogLevel.Information, "Postgres at {Address} answers: the event log is ready")]
    private partial void LogAnswers(string address);
}
