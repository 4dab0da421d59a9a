using System.Net.Sockets;
using JasperFx.Events.Daemon;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>What an exception of the event log means for whoever goes on.</summary>
public static class EventLogFault
{
    /// <summary>
    /// True when waiting may help: no connection, a server that starts up or shuts down, no free slot; also credentials and a database that somebody
    /// may still be about to create. False for what only a change of the program can help.
    /// </summary>
    public static bool MeansAway(Exception e) => e switch
    {
        PostgresException said => said.IsTransient || said.SqlState is PostgresErrorCodes.InvalidPassword
            or PostgresErrorCodes.InvalidAuthorizationSpecification or PostgresErrorCodes.InvalidCatalogName or PostgresErrorCodes.AdminShutdown,
        NpgsqlException => true,
        { InnerException: { } inner } => MeansAway(inner),
        _ => false,
    };

    /// <summary>True when the server itself says that it takes no sessions yet, or no longer: it starts up, shuts down, or has ended this one to do so.</summary>
    public static bool MeansStarting(Exception e) => e is PostgresException
    {
        SqlState: PostgresErrorCodes.CannotConnectNow or PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown,
    };

    /// <summary>
    /// True when a connection was refused or has broken, or the server starts up or shuts down. False for one that is only slow: a statement that takes too long, a
    /// pool or a server without a free connection.
    /// </summary>
    public static bool MeansDisconnected(Exception e) => e switch
    {
        PostgresException => MeansStarting(e),
        SocketException => true,
        TimeoutException => false,
        IOException => true,
        { InnerException: { } inner } => MeansDisconnected(inner),
        _ => false,
    };

    /// <summary>True for an exception of Postgres, whatever it means and however it is wrapped.</summary>
    public static bool IsOfPostgres(Exception e) => e is NpgsqlException || (e.InnerException is { } inner && IsOfPostgres(inner));

    /// <summary>True when an event could not be read: this version does not know its type, or not what is in it. A newer version may.</summary>
    public static bool MeansUnreadable(Exception e) => e is IEventFailureContext || (e.InnerException is { } inner && MeansUnreadable(inner));

    /// <summary>One phrase for a person, of an exception that means that Postgres is away.</summary>
    public static string ReasonOf(Exception e) => e switch
    {
        PostgresException said => said.MessageText,
        SocketException socket => socket.Message,
        { InnerException: { } inner } => ReasonOf(inner),
        _ => e.Message,
    };
}
