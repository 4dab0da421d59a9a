using System.Net.Sockets;
using JasperFx.Events.Daemon;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>Classifies exceptions of the event log.</summary>
public static class EventLogFault
{
    /// <summary>
    /// Errors of Postgres that only a wrong statement or schema of this program causes. Every other error may end without a change of the
    /// program: a full disk, a standby, a missing permission, a cancelled statement.
    /// </summary>
    private static readonly HashSet<string> FaultsOfTheProgram =
    [
        PostgresErrorCodes.SyntaxError, PostgresErrorCodes.UndefinedTable, PostgresErrorCodes.UndefinedColumn,
        PostgresErrorCodes.UndefinedFunction,
        PostgresErrorCodes.UndefinedParameter, PostgresErrorCodes.DatatypeMismatch, PostgresErrorCodes.CannotCoerce,
        PostgresErrorCodes.IndeterminateDatatype, PostgresErrorCodes.InvalidTextRepresentation, PostgresErrorCodes.NotNullViolation,
    ];

    /// <summary>The meaning of an SQLSTATE, for messages that lack it or are in the server's language.</summary>
    private static readonly Dictionary<string, string> Meanings = new()
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
    /// True when waiting may help: no connection; a server that starts up, shuts down, is read-only, has no disk space or no free slot,
    /// refuses credentials or permissions; also when Marten has wrapped it. False for a defect of the program (an unknown table, column or
    /// function, a value that cannot be read) and for exceptions of other origin.
    /// </summary>
    public static bool MeansAway(Exception e) => SqlStateOf(e) is { } state ? !FaultsOfTheProgram.Contains(state) : IsOfPostgres(e);

    /// <summary>
    /// True when the server reports that it accepts no sessions yet, or no longer: it starts up, shuts down, or
    /// has ended this session to do so.
    /// </summary>
    public static bool MeansStarting(Exception e) => e is PostgresException
    {
        SqlState: PostgresErrorCodes.CannotConnectNow or PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown,
    };

    /// <summary>
    /// True when a connection was refused or has broken, or the server starts up or shuts down. False for a slow server: a statement that
    /// takes too long, a pool or a server without a free connection.
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

    /// <summary>True for any exception of Postgres, also a wrapped one.</summary>
    public static bool IsOfPostgres(Exception e) => Chain(e).Any(IsOfServer);

    /// <summary>True when an event could not be read: this version does not know its type or its content. A newer version may.</summary>
    public static bool MeansUnreadable(Exception e) => !IsOfPostgres(e) && Chain(e).Any(inner => inner is IEventFailureContext);

    /// <summary>
    /// True when the server answers and refuses to write: it is read-only, out of disk space or memory, or the role lacks permission.
    /// </summary>
    internal static bool MeansNoWrites(Exception e) => SqlStateOf(e) is { } state
        && (state is PostgresErrorCodes.ReadOnlySqlTransaction or PostgresErrorCodes.InsufficientPrivilege or PostgresErrorCodes.DiskFull
            or PostgresErrorCodes.OutOfMemory || state.StartsWith("58", StringComparison.Ordinal));

    /// <summary>
    /// One phrase for users, for an exception with <see cref="MeansAway"/>: the message of the server or the network, with the meaning of
    /// the SQLSTATE if the message lacks it.
    /// </summary>
    public static string ReasonOf(Exception e)
    {
        if (Chain(e).OfType<PostgresException>().FirstOrDefault() is { } said)
            return Meanings.GetValueOrDefault(said.SqlState) is { } meaning
                && !said.MessageText.Contains(meaning, StringComparison.OrdinalIgnoreCase)
                ? $"{said.MessageText} ({meaning})"
                : said.MessageText;
        return (Chain(e).OfType<SocketException>().FirstOrDefault() ?? Chain(e).Last()).Message;
    }

    /// <summary>
    /// The SQLSTATE, <c>unreachable</c> for a connection that failed without one, null for exceptions of other origin. For metrics.
    /// </summary>
    internal static string? KindOf(Exception e) => SqlStateOf(e) ?? (IsOfPostgres(e) ? "unreachable" : null);

    private static string? SqlStateOf(Exception e) => Chain(e).OfType<PostgresException>().FirstOrDefault()?.SqlState;

    // For a connection that broke between two statements, Npgsql throws an exception of .NET: it "is not open".
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
        var inner = e is AggregateException many
            ? many.InnerExceptions
            : e.InnerException is { } one
            ? [one]
            : (IReadOnlyList<Exception>)[];
        foreach (var next in inner.SelectMany(Chain))
            yield return next;
    }
}
