using Kuik.EventLog;
using Npgsql;

namespace Kuik.PodWatcher.Setup;

/// <summary>Checks whether a Postgres answers, and whether it accepts a password.</summary>
internal static class DatabaseLogin
{
    private const int TimeoutInSeconds = 3;

    /// <summary>True when a server answers, with any result of the login.</summary>
    public static async Task<bool> Answers(string host, CancellationToken ct)
    {
        try
        {
            await Open(new NpgsqlConnectionStringBuilder { Host = host, Username = "kuik", Password = "none", Database = "kuik" }, ct);
            return true;
        }
        catch (PostgresException)
        {
            return true;
        }
        catch (Exception away) when (away is TimeoutException || EventLogFault.MeansAway(away))
        {
            return false;
        }
    }

    /// <summary>Logs in once.</summary>
    /// <param name="connectionString">The event log's.</param>
    /// <param name="source">Where it comes from, for the message.</param>
    /// <param name="ct">Cancels it.</param>
    /// <exception cref="SetupRefusedException">The server refuses the user or the password.</exception>
    /// <exception cref="NpgsqlException">The server is unreachable, or starts up.</exception>
    public static async Task LogIn(string connectionString, string source, CancellationToken ct)
    {
        var connection = new NpgsqlConnectionStringBuilder(connectionString);
        try
        {
            await Open(connection, ct);
        }
        catch (PostgresException refused) when (
            refused.SqlState is PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification)
        {
            throw new SetupRefusedException(
                $"Postgres at {connection.Host}:{connection.Port} refuses the user {connection.Username} and the password of {source} "
                + $"({refused.MessageText}): they do not belong to this database. "
                + "Restore the Secret that was made with it, or set the role's password to the one of the Secret");
        }
    }

    private static async Task Open(NpgsqlConnectionStringBuilder to, CancellationToken ct)
    {
        var once = new NpgsqlConnectionStringBuilder(to.ConnectionString) { Pooling = false, Timeout = TimeoutInSeconds };
        await using var connection = new NpgsqlConnection(once.ConnectionString);
        await connection.OpenAsync(ct);
    }
}
