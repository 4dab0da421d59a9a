using System.Net.Sockets;
using JasperFx.Events.Daemon;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>What an exception of the event log means.</summary>
public static class EventLogFault
{
    /// <summary>
    /// What Postgres says only of a statement or a schema that this program has wrong. Everything else it says may end without a change of the
    /// program: a full disk, a standby, a missing right, a statement that was cancelled.
    /// </summary>
    private static readonly HashSet<string> _faultsOfTheProgram =
    [
        PostgresErrorCodes.SyntaxError, PostgresErrorCodes.UndefinedTable, PostgresErrorCodes.UndefinedColumn, PostgresErrorCodes.UndefinedFunction,
        PostgresErrorCodes.UndefinedParameter, PostgresErrorCodes.DatatypeMismatch, PostgresErrorCodes.CannotCoerce,
        PostgresErrorCodes.IndeterminateDatatype, PostgresErrorCodes.InvalidTextRepresentation, PostgresErrorCodes.NotNullViolation,
    ];

    /// <summary>What an SQLSTATE means, for messages that do not say it or say it in the server's language.</summary>
    private static readonly Dictionary<string, string> _meanings = new()
    {
        [PostgresErrorCodes.ReadOnlySqlTransaction] = "read-only",
        [PostgresErrorCodes.DiskFull] = "no space left",
        [PostgresErrorCodes.OutOfMemory] = "out of memory",
        [PostgresErrorCodes.TooManyConnections] = "connections",
        [PostgresErrorCodes.InsufficientPrivilege] = "permission",
        [PostgresErrorCodes.InFailedSqlTransaction] = "an earlier statement of this transaction failed",
        [PostgresErrorCodes.QueryCanceled] = "canceling statement",
        [PostgresErrorCodes.LockNotAvailable] = "lock",
        [PostgresErrorCodes.IoError] = "input/output error",
        [PostgresErrorCodes.CannotConnectNow] = "starting up or shutting down",
    };

    /// <summary>
    /// True when waiting may help: no connection, a server that starts up, shuts down, is read-only, has no disk space or no free slot, refuses credentials or
    /// rights; however Marten has wrapped it. False for a fault of the program (an unknown table, column or function, a value that cannot be
    /// read) and for what does not come from Postgres.
    /// </summary>
    public static bool MeansAway(Exception e) => SqlStateOf(e) is { } state ? !_faultsOfTheProgram.Contains(state) : IsOfPostgres(e);

    /// <summary>True when the server itself says that it takes no sessions yet, or no longer: it starts up, shuts down, or has ended this
    /// one to do so.</summary>
    public static bool MeansStarting(Exception e) => e is PostgresException
    {
        SqlState: PostgresErrorCodes.CannotConnectNow or PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown,
    };

    /// <summary>
    /// True when a connection was refused or has broken, or the server starts up or shuts down. False for one that is only slow: a
    /// statement that takes too long, a pool or a server without a free connection.
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
    public static bool IsOfPostgres(Exception e) => Chain(e).Any(IsOfServer);

    /// <summary>True when an event could not be read: this version does not know its type, or not what is in it. A newer version may.</summary>
    public static bool MeansUnreadable(Exception e) => !IsOfPostgres(e) && Chain(e).Any(inner => inner is IEventFailureContext);

    /// <summary>True when the server answers and refuses to write: it is read-only, out of disk space or memory, or the role has no right to.</summary>
    internal static bool MeansNoWrites(Exception e) => SqlStateOf(e) is { } state
        && (state is PostgresErrorCodes.ReadOnlySqlTransaction or PostgresErrorCodes.InsufficientPrivilege or PostgresErrorCodes.DiskFull
            or PostgresErrorCodes.OutOfMemory || state.StartsWith("58", StringComparison.Ordinal));

    /// <summary>One phrase for a person, of an exception that <see cref="MeansAway"/>: what the server or the network said, with the meaning of the
    /// SQLSTATE where the message does not hold it.</summary>
    public static string ReasonOf(Exception e)
    {
        if (Chain(e).OfType<PostgresException>().FirstOrDefault() is { } said)
            return _meanings.GetValueOrDefault(said.SqlState) is { } meaning && !said.MessageText.Contains(meaning, StringComparison.OrdinalIgnoreCase)
                ? $"{said.MessageText} ({meaning})"
                : said.MessageText;
        return (Chain(e).OfType<SocketException>().FirstOrDefault() ?? Chain(e).Last()).Message;
    }

    /// <summary>The SQLSTATE, <c>unreachable</c> for a connection that failed without one, null for what is not of Postgres. For metrics.</summary>
    internal static string? KindOf(Exception e) => SqlStateOf(e) ?? (IsOfPostgres(e) ? "unreachable" : null);

    private static string? SqlStateOf(Exception e) => Chain(e).OfType<PostgresException>().FirstOrDefault()?.SqlState;

    // Npgsql says of a connection that has broken between two statements that it "is not open", with an exception of .NET's own.
    private static bool IsOfServer(Exception e) => e switch
    {
        NpgsqlOperationInProgressException or ObjectDisposedException => false,
        NpgsqlException => true,
        InvalidOperationException => e.Source == "Npgsql",
        _ => false,
    };

    private static IEnumerable<Exception> Chain(Exception e)
    {
        yield return e;
        var inner = e is AggregateException many ? many.InnerExceptions : e.InnerException is { } one ? [one] : (IReadOnlyList<Exception>)[];
        foreach (var next in inner.SelectMany(Chain))
            yield return next;
    }
}
