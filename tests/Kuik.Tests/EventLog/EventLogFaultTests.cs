using System.Net.Sockets;
using Kuik.EventLog;
using Npgsql;
using Xunit;

namespace Kuik.Tests.EventLog;

public class EventLogFaultTests
{
    [Theory]
    [InlineData("25006", "cannot execute INSERT in a read-only transaction", "cannot execute INSERT in a read-only transaction")]
    [InlineData("53100", "could not extend file: No space left on device", "could not extend file: No space left on device")]
    [InlineData("53100", "konnte Datei nicht erweitern", "konnte Datei nicht erweitern (no space left)")]
    [InlineData("53300", "sorry, too many clients already", "sorry, too many clients already (connections)")]
    [InlineData("57014", "canceling statement due to statement timeout", "canceling statement due to statement timeout")]
    [InlineData("57P01", "terminating connection", "terminating connection")]
    [InlineData("57P03", "the database system is starting up", "the database system is starting up (starting up or shutting down)")]
    [InlineData("55000", "database \"kuik\" is not currently accepting connections",
        "database \"kuik\" is not currently accepting connections")]
    [InlineData("25P02", "current transaction is aborted",
        "current transaction is aborted (an earlier statement of this transaction failed)")]
    [InlineData("42501", "permission denied for table mt_events", "permission denied for table mt_events")]
    [InlineData("XX000", "what no list holds", "what no list holds")]
    public void An_error_of_Postgres_is_a_reason_to_wait_and_is_named(string state, string message, string reason)
    {
        var said = new PostgresException(message, "ERROR", "ERROR", state);
        var wrapped = new InvalidOperationException("Marten Command Failure:\nselect 1", new AggregateException(said));

        Assert.True(EventLogFault.MeansAway(said));
        Assert.True(EventLogFault.MeansAway(wrapped));
        Assert.Equal(reason, EventLogFault.ReasonOf(wrapped));
        Assert.Equal(state, EventLogFault.KindOf(wrapped));
    }

    [Theory]
    [InlineData(PostgresErrorCodes.UndefinedTable)]
    [InlineData(PostgresErrorCodes.UndefinedColumn)]
    [InlineData(PostgresErrorCodes.UndefinedFunction)]
    [InlineData(PostgresErrorCodes.SyntaxError)]
    public void What_only_another_version_can_help_is_a_fault_of_the_program(string state)
    {
        var said = new PostgresException("it does not exist", "ERROR", "ERROR", state);

        Assert.False(EventLogFault.MeansAway(said));
        Assert.False(EventLogFault.MeansAway(new InvalidOperationException("Marten Command Failure", said)));
    }

    [Fact]
    public void A_connection_that_fails_without_an_error_of_the_server_is_a_reason_to_wait()
    {
        var refused = new NpgsqlException("Failed to connect to 127.0.0.1:5432", new SocketException((int)SocketError.ConnectionRefused));
        var notOpen = new InvalidOperationException("Connection is not open") { Source = "Npgsql" };

        Assert.True(EventLogFault.MeansAway(refused));
        Assert.Equal(new SocketException((int)SocketError.ConnectionRefused).Message, EventLogFault.ReasonOf(refused));
        Assert.True(EventLogFault.MeansAway(notOpen));
        Assert.Equal("unreachable", EventLogFault.KindOf(refused));
    }

    [Fact]
    public void What_does_not_come_from_Postgres_is_no_reason_to_wait()
    {
        Assert.False(EventLogFault.MeansAway(new InvalidCastException()));
        Assert.False(EventLogFault.MeansAway(new InvalidOperationException("Sequence contains no elements")));
        Assert.False(EventLogFault.MeansAway(new OperationCanceledException()));
        Assert.False(EventLogFault.MeansAway(new IOException("the spool is full")));
        Assert.Null(EventLogFault.KindOf(new InvalidCastException()));
    }
}
