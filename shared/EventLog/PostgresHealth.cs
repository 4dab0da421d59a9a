using System.Net.Sockets;
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
        catch (NpgsqlException e)
        {
            return new HealthCheckResult(context.Registration.FailureStatus, $"does not answer at {AddressOf(postgres)}: {ReasonOf(e)}");
        }
    }

    /// <summary>Host, port and database; no credentials.</summary>
    public static string AddressOf(NpgsqlDataSource postgres)
    {
        var connection = new NpgsqlConnectionStringBuilder(postgres.ConnectionString);
        return $"{connection.Host}:{connection.Port}/{connection.Database}";
    }

    /// <summary>One phrase for a person.</summary>
    public static string ReasonOf(NpgsqlException e) => e switch
    {
        PostgresException said => said.MessageText,
        { InnerException: SocketException socket } => socket.Message,
        { InnerException: { } inner } => inner.Message,
        _ => e.Message,
    };

    /// <summary>
    /// True when waiting may help: no connection, a server that starts up or shuts down, no free slot; also credentials and a database that somebody
    /// may still be about to create. False for what only a change of the program can help.
    /// </summary>
    public static bool MeansUnreachable(NpgsqlException e) => e is not PostgresException said
        || said.IsTransient || said.SqlState is PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification or PostgresErrorCodes.InvalidCatalogName;
}
