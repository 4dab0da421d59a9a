using Kuik.PodWatcher;
using Npgsql;
using Xunit;

namespace Kuik.Tests.PodWatcher;

public class FailureTests
{
    [Theory]
    [InlineData(PostgresErrorCodes.DiskFull, "postgres", true)]
    [InlineData(PostgresErrorCodes.ReadOnlySqlTransaction, "postgres", true)]
    [InlineData(PostgresErrorCodes.UndefinedTable, "internal", false)]   // every key would meet it, and none is helped by a pause of all
    [InlineData(PostgresErrorCodes.NotNullViolation, "internal", false)]
    public void A_fault_of_the_program_in_postgres_is_told_from_an_outage(string state, string kind, bool isShared)
    {
        var failure = Failure.From(new PostgresException("no", "ERROR", "ERROR", state));

        Assert.Equal((kind, isShared), (failure.Kind, failure.IsShared));
    }
}
