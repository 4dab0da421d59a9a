using System.Globalization;
using Kuik.EventLog;
using Kuik.EventLog.Audit;
using Kuik.IntegrationTests.EventLog;
using Kuik.Testing;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.Audit;

/// <summary>The hash chain behind the log of a random run, on a real Postgres.</summary>
[Collection(AuditCollection.Name)]
public sealed class HashChainTests(AuditWorld world)
{
    private const string Copy = "insert into kuik.mt_events select (jsonb_populate_record(e, to_jsonb(e) || ";

    /// <summary>What was done, its SQL, and the events that are named. N and M are two neighbours in the middle, U a number between two
    /// events that none has, L the last event, whose head is kept.</summary>
    public static TheoryData<string, string, string> Corruptions => new()
    {
        { "body changed", "update kuik.mt_events set data = jsonb_set(data, '{name}', '\"x\"') where seq_id = N", "N" },
        { "time changed", "update kuik.mt_events set timestamp = timestamp + interval '1 microsecond' where seq_id = N", "N" },
        { "writer changed", "update kuik.mt_events set headers = jsonb_set(headers, '{service}', '\"x\"') where seq_id = N", "N" },
        { "cause changed", "update kuik.mt_events set causation_id = 'x' where seq_id = N", "N" },
        { "removed", "delete from kuik.mt_events where seq_id = N", "N" },
        { "made a tombstone", "update kuik.mt_events set type = 'tombstone' where seq_id = N", "N" },
        { "removed with its hash", "delete from kuik.mt_events where seq_id = N; delete from kuik.event_hashes where seq_id = N", "M" },
        { "order swapped", """
            update kuik.mt_events set seq_id = -1 where seq_id = N; update kuik.mt_events set seq_id = N where seq_id = M;
            update kuik.mt_events set seq_id = M where seq_id = -1
            """, "N M" },
        { "inserted", Copy + "'{\"seq_id\": U, \"version\": 9999}')).* from kuik.mt_events e where seq_id = N", "U" },
        { "inserted first", Copy + "'{\"seq_id\": -7, \"version\": 9999}')).* from kuik.mt_events e where seq_id = N", "-7" },
        { "end removed", "delete from kuik.mt_events where seq_id > N; delete from kuik.event_hashes where seq_id > N", "L" },
        { "end removed, hashes left", "delete from kuik.mt_events where seq_id = L", "L" },
        { "hash changed", "update kuik.event_hashes set hash = sha256('x') where seq_id = N", "N M" },
        { "said to be removed by policy", """
            delete from kuik.mt_events where seq_id = N; update kuik.event_hashes set content = sha256('x') where seq_id = N
            """, "N" },
    };

    [Theory]
    [MemberData(nameof(Corruptions))]
    public async Task A_corruption_is_found_and_named_by_its_sequence_number(string what, string sql, string named)
    {
        await using var connection = await world.Postgres.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();   // rolled back
        var kept = (await new ChainVerifier(connection).Verify([], null, default)).Head!;
        var (n, m) = await Neighbours(connection);
        string Named(string text) => text.Replace("N", $"{n}", StringComparison.Ordinal).Replace("M", $"{m}", StringComparison.Ordinal)
            .Replace("U", $"{world.Unused}", StringComparison.Ordinal).Replace("L", $"{kept.Sequence}", StringComparison.Ordinal);
        await Execute(connection, Named(sql));

        var chain = await new ChainVerifier(connection).Verify([kept], null, default);

        Assert.Equal((what, Named(named)), (what, string.Join(' ', chain.Differences.Select(one => one.Sequence))));
    }

    [Fact]
    public async Task A_chain_that_was_computed_anew_after_a_change_is_found_by_a_kept_head()
    {
        await using var connection = await world.Postgres.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();   // rolled back
        var kept = (await new ChainVerifier(connection).Verify([], null, default)).Head!;
        var (n, changed) = await Neighbours(connection);
        var before = new KeptHead(n, Convert.ToHexStringLower(
            await Ask<byte[]>(connection, $"select hash from kuik.event_hashes where seq_id = {n}")));
        await Execute(connection, $"""
            update kuik.mt_events set causation_id = 'x' where seq_id = {changed}; delete from kuik.event_hashes where seq_id > {n}
            """);
        while (await HashChain.Append(connection, kept.Sequence, default) > 0)
            continue;

        var alone = await new ChainVerifier(connection).Verify([], null, default);
        var chain = await new ChainVerifier(connection).Verify([before, kept], null, default);

        Assert.Empty(alone.Differences);
        Assert.Equal(kept.Sequence, Assert.Single(chain.Differences).Sequence);
    }

    [Fact]
    public async Task The_command_prints_the_head_and_accepts_it_later()
    {
        var first = await world.Shell("kuik verify --chain");
        var head = first.Output.TrimEnd().Split('\n')[^1];
        var (good, bad) = (KeptHead.Parse(head)!, KeptHead.Parse(head)! with { Hash = new string('0', 64) });
        ToolResult[] runs =
        [
            await world.Shell($"kuik verify --chain --since {good}"), await world.Shell($"kuik verify --chain --since {bad}"),
            await world.Shell("kuik verify --chain --since yesterday"),
        ];

        Assert.Equal([0, 0, 1, 2], [first.ExitCode, .. runs.Select(run => run.ExitCode)]);
        Assert.Contains("not in the chain yet 0: no difference", first.Output, StringComparison.Ordinal);
        Assert.Matches($"\n{good.Sequence} +the kept head has another hash", runs[1].Output);
    }

    [Fact]
    public async Task An_imported_log_leads_to_the_same_head()
    {
        var other = await MigratedDatabase.New();
        var original = await world.Shell("kuik verify --chain");
        var head = original.Output.TrimEnd().Split('\n')[^1];

        var import = await world.Shell("kuik export --to chain.jsonl");
        var imported = await world.Shell("kuik import chain.jsonl", other);
        var verified = await world.Shell($"kuik verify --chain --since {head}", other);

        Assert.Equal((0, 0, 3), (import.ExitCode, imported.ExitCode, verified.ExitCode));
        Assert.EndsWith(head + "\n", verified.Output, StringComparison.Ordinal);
        Assert.Contains("the log has no recorded chain", verified.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_chain_waits_for_an_append_that_has_its_number_and_is_not_committed()
    {
        await using var host = await LogHost.Start("test", await MigratedDatabase.New());
        await host.AppendRequest("first:1");
        await using var connection = await host.Postgres.OpenConnectionAsync();
        await using var slow = await host.Postgres.OpenConnectionAsync();
        var (end, positions) = (new SettledEnd(), new EventPositions(connection));
        await using (var open = await slow.BeginTransactionAsync())
        {
            var number = await Ask<long>(slow, "select nextval('kuik.mt_events_sequence') from kuik.mt_streams limit 1 for update");
            await Execute(slow, Copy + $"jsonb_build_object('seq_id', {number}, 'id', '{Guid.NewGuid()}', 'version', 2))).* "
                + "from kuik.mt_events e where stream_id = 'image/first:1'");
            await host.AppendRequest("later:1");
            for (var i = 0; i < 5; i++)
            {
                var settled = await end.Advance(positions, default);
                Assert.Equal((3, true), (end.Last, settled < 2));
            }
            await open.CommitAsync();
        }

        await Eventually.True(async () => await end.Advance(positions, default) == 3, "the place is settled");
    }

    private static async Task<(long N, long M)> Neighbours(NpgsqlConnection connection)
    {
        var n = await Ask<long>(connection, """
            select seq_id from kuik.mt_events where type <> 'tombstone' and type like '%Observed'
                and seq_id < (select max(seq_id) from kuik.mt_events) / 2 order by seq_id desc limit 1
            """);
        return (n, await Ask<long>(connection, string.Create(CultureInfo.InvariantCulture,
            $"select min(seq_id) from kuik.mt_events where seq_id > {n} and type <> 'tombstone'")));
    }

    private static async Task Execute(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        Assert.NotEqual(0, await command.ExecuteNonQueryAsync());
    }

    private static async Task<T> Ask<T>(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return (T)(await command.ExecuteScalarAsync())!;
    }
}
