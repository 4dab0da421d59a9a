using JasperFx;
using Marten;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// At the start: makes the tables as soon as Postgres answers. Does not hold up the host: until then the service answers that it is not ready.
/// </summary>
internal sealed partial class PrepareEventLog(
    IDocumentStore store, NpgsqlDataSource postgres, EventLogReady ready, TimeProvider time, ILogger<PrepareEventLog> logger)
    : BackgroundService
{
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(2);

    private bool hasSaidSo;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(RetryInterval, time);
        while (!await TryPrepare(stoppingToken))
            await timer.WaitForNextTickAsync(stoppingToken);
        ready.Set();
    }

    /// <summary>One try. False when Postgres is not there.</summary>
    internal async Task<bool> TryPrepare(CancellationToken ct)
    {
        try
        {
            // Several services start at once: one after the other looks at the tables and makes what is missing.
            await using var connection = await postgres.OpenConnectionAsync(ct);
            await Execute(connection, "select pg_advisory_lock($1)", ct);
            await store.Storage.ApplyAllConfiguredChangesToDatabaseAsync(AutoCreate.CreateOrUpdate);
            await Execute(connection, "select pg_advisory_unlock($1)", ct);
            if (hasSaidSo)
                LogAnswers(PostgresHealth.AddressOf(postgres));
            return true;
        }
        catch (Exception e) when (EventLogFault.MeansAway(e))
        {
            if (!hasSaidSo)
                LogDoesNotAnswer(PostgresHealth.AddressOf(postgres), EventLogFault.ReasonOf(e), (int)RetryInterval.TotalSeconds);
            hasSaidSo = true;
            return false;
        }
    }

    private static async Task Execute(NpgsqlConnection connection, string sql, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection) { Parameters = { new() { Value = AdvisoryLocks.KeyOf("schema") } }, CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync(ct);
    }

    [LoggerMessage(LogLevel.Warning, "Postgres at {Address} does not answer ({Reason}); trying again every {Seconds} s, nothing is recorded until it does")]
    private partial void LogDoesNotAnswer(string address, string reason, int seconds);

    [LoggerMessage(LogLevel.Information, "Postgres at {Address} answers: the event log is ready")]
    private partial void LogAnswers(string address);
}
