using Kuik.EventLog.Audit;
using Kuik.Expiry.Audit;
using Xunit;

namespace Kuik.Tests.Expiry.Audit;

public sealed class AuditLimitsTests
{
    [Fact]
    public void One_question_at_a_time_folds_the_log()
    {
        using var limits = new AuditLimits();
        var first = limits.TryFold();

        Assert.NotNull(first);
        Assert.Null(limits.TryFold());
        first.Dispose();
        Assert.NotNull(limits.TryFold());
    }

    [Fact]
    public void The_pool_has_two_connections_that_refuse_every_change()
    {
        var connection = new Npgsql.NpgsqlConnectionStringBuilder(
            AuditPool.ConnectionOf("Host=a;Maximum Pool Size=50;Options=-c tcp_keepalives_idle=10"));

        Assert.Equal(2, connection.MaxPoolSize);
        Assert.Equal("-c tcp_keepalives_idle=10 -c default_transaction_read_only=on", connection.Options);
    }

    [Fact]
    public void The_settled_end_does_not_pass_an_event_before_which_an_open_transaction_may_append()
    {
        var end = new SettledEnd();

        end.Advance(oldestOpen: 100, nextOpen: 100, last: 7);   // none is open
        Assert.Equal(7, end.Sequence);
        end.Advance(oldestOpen: 100, nextOpen: 103, last: 9);   // 100 may still append 8
        Assert.Equal(7, end.Sequence);
        end.Advance(oldestOpen: 102, nextOpen: 104, last: 11);
        Assert.Equal(7, end.Sequence);
        end.Advance(oldestOpen: 103, nextOpen: 105, last: 12);   // all that were open when 9 was seen have ended
        Assert.Equal(9, end.Sequence);
        end.Advance(oldestOpen: 105, nextOpen: 105, last: 13);
        Assert.Equal(13, end.Sequence);
    }
}
