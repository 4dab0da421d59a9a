using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>Ready when the event log's tables exist and Postgres answers now.</summary>
internal sealed class PostgresHealth(NpgsqlDataSource postgres, EventLogReady ready) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            if (!ready.IsReady)
                return new HealthCheckResult(context.Registration.FailureStatus, $"has not answered at {AddressOf(postgres)} yet");
            await using var command = postgres.CreateCommand("select 1");
            await command.ExecuteNonQueryAsync(cancellationToken);
            return HealthCheckResult.Healthy();
        }
        catch (Exception e) when (EventLogFault.MeansAway(e))
        {
            return new HealthCheckResult(context.Registration.FailureStatus, $"does not answer at {AddressOf(postgres)}: {EventLogFault.ReasonOf(e)}");
        }
    }

    /// <summary>Host, port and database; no credentials.</summary>
    public static string AddressOf(NpgsqlDataSource postgres)
    {
        var connection = new NpgsqlConnectionStringBuilder(postgres.ConnectionString);
        return $"{connection.Host}:{connection.Port}/{connection.Database}";
    }
}
