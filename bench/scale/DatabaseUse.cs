using System.Globalization;
using Kuik.Testing;

namespace Kuik.Bench.Scale;

/// <summary>The event log's load on Postgres.</summary>
internal sealed class DatabaseUse(ScriptedCluster cluster)
{
    /// <summary>Statements slower than these are not shown.</summary>
    private const int Shown = 8;

    /// <summary>Of the database with all indexes.</summary>
    public Task<double> Bytes() => Number("select pg_database_size(current_database())");

    /// <summary>Of events and streams, with their indexes.</summary>
    public Task<double> LogBytes() => Number("select pg_total_relation_size('kuik.mt_events') + pg_total_relation_size('kuik.mt_streams')");

    public Task<double> Count(string type) => Number($"select count(*) from kuik.mt_events where type = '{type}'");

    public Task<double> Rows(string table) => Number($"select count(*) from kuik.{table}");

    /// <summary>Begins to count statements anew.</summary>
    public async Task Forget()
    {
        await cluster.Execute("create extension if not exists pg_stat_statements");
        await cluster.Execute("select pg_stat_statements_reset()");
    }

    /// <summary>The statements on which most time went since <see cref="Forget"/>: what each takes, on average and at most, and how often
    /// it ran.</summary>
    public async Task<IReadOnlyList<(string Statement, double MeanMs, double MostMs, double Calls)>> SlowestStatements()
    {
        var rows = await cluster.Execute($"""
            select string_agg(calls || E'\t' || mean_exec_time || E'\t' || max_exec_time || E'\t'
                || left(regexp_replace(query, '\s+', ' ', 'g'), 100), E'\n')
            from (select * from pg_stat_statements join pg_database d on d.oid = dbid
                where d.datname = current_database() and calls > 1 order by total_exec_time desc limit {Shown}) slowest
            """);
        return
        [
            .. (rows ?? "").Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(row => row.Split('\t'))
                .Select(row => (row[3].Replace('|', '/'), Parse(row[1]), Parse(row[2]), Parse(row[0]))),
        ];
    }

    private async Task<double> Number(string sql) => Parse((await cluster.Execute(sql))!);

    private static double Parse(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}
