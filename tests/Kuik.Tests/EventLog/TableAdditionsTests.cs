using Kuik.EventLog;
using Xunit;

namespace Kuik.Tests.EventLog;

public class TableAdditionsTests
{
    [Fact]
    public void Columns_are_added_and_indexes_are_created_without_locking_the_table()
    {
        var statements = TableAdditions.Read("kuik.t", """
            alter table kuik.t add column node text NULL;

            CREATE INDEX t_node ON kuik.t USING btree (node);
            CREATE UNIQUE INDEX CONCURRENTLY t_other ON kuik.t USING btree (other);
            """);

        Assert.Equal(
            [
                "alter table kuik.t add column node text NULL", "create index concurrently t_node ON kuik.t USING btree (node)",
                "CREATE UNIQUE INDEX CONCURRENTLY t_other ON kuik.t USING btree (other)",
            ], statements);
    }

    [Theory]
    [InlineData("alter table kuik.t drop column node;")]
    [InlineData("drop index concurrently if exists kuik.t_node;")]
    [InlineData("alter table kuik.t alter column node type int;")]
    [InlineData("alter table kuik.t add column a text; drop table kuik.t cascade;")]
    [InlineData("alter table kuik.t drop constraint pk CASCADE;")]
    public void Anything_else_is_refused(string sql)
    {
        var refused = Assert.Throws<SchemaMigrationRefusedException>(() => TableAdditions.Read("kuik.t", sql));

        Assert.Contains("kuik.t", refused.Message, StringComparison.Ordinal);
    }
}
