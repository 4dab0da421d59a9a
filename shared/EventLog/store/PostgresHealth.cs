using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// The health check of Postgres. Ready when the event log's tables exist, Postgres answers now, accepts writes, and no
/// part of this process has failed.
/// </summary>
internal sealed class PostgresHealth(NpgsqlDataSource postgres, EventLogReady ready, PostgresAvailability availability) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            if (!ready.IsReady)
                return Failed(ready.Problem ?? $"has not answered at {AddressOf(postgres)} yet");
            if (await ReadOnlyBecause(postgres, cancellationToken) is { } cause)
                return Failed($"takes no writes at {AddressOf(postgres)}: {cause}");
            return availability.Reason is { } reason ? Failed($"fails at {AddressOf(postgres)}: {reason}") : HealthCheckResult.Healthy();
        }
        catch (Exception e) when (EventLogFault.MeansAway(e))
        {
            return Failed($"does not answer at {AddressOf(postgres)}: {EventLogFault.ReasonOf(e)}");
        }

        HealthCheckResult Failed(string description) => new(context.Registration.FailureStatus, description);
    }

    /// <summary>Why the server accepts no writes; null when it does.</summary>
    internal static async Task<string?> ReadOnlyBecause(NpgsqlDataSource postgres, CancellationToken ct)
    {
        await using var command = postgres.CreateCommand("""
            select case when pg_is_in_recovery() then 'the server is a standby (in recovery)'
                when current_setting('default_transaction_read_only')::bool then 'default_transaction_read_only is on' end
            """);
        return await command.ExecuteScalarAsync(ct) as string;
    }

    /// <summary>Host, port and database; no credentials.</summary>
    public static string AddressOf(NpgsqlDataSource postgres)
    {
        var connection = new NpgsqlConnectionStringBuilder(postgres.ConnectionString);
        return $"{connection.Host}:{connection.Port}/{connection.Database}";
    }
}
