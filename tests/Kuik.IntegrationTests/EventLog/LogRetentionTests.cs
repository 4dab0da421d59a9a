using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.EventLog.Audit;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.EventLog;

/// <summary>The removal of ended streams from the log, on a real Postgres.</summary>
public sealed class LogRetentionTests
{
    private const string Evicted = OldLog.Evicted;

    private static readonly CancellationToken Any = CancellationToken.None;
    private static readonly LogRetentionOptions Policy = new(TimeSpan.FromDays(90), ExportFirst: false, IsChained: false);

    [Fact]
    public async Task Only_streams_that_ended_long_ago_go_and_the_log_agrees_with_itself_afterwards()
    {
        await using var host = await OldLog.Start();
        await using var connection = await host.Postgres.OpenConnectionAsync();
        var horizon = await host.Ask<long>("select max(seq_id) from kuik.mt_events where stream_id in ('pod/gone', 'workload/job')");
        await OldLog.IsProjected(host);

        var page = await LogRetention.RemovePage(connection, Policy, Any);

        Assert.True(page is { Removed.Streams: 3, HeldUpBy: null, HasMore: false }, page + await host.Ask<string>(
            "select string_agg(p::text, ' ') || (select max(seq_id) from kuik.mt_events) from kuik.mt_event_progression p"));
        Assert.Equal(
            "image/docker.io/library/live:1 image/docker.io/library/retained:1 pod/back pod/last pod/user pod/young",
            await host.Ask<string>("select string_agg(id, ' ' order by id) from kuik.mt_streams where id <> 'mt_tombstone'"));
        Assert.Equal((horizon, page.Removed.Events), (page.Removed.LastSequence, (await LogHorizon.Read(connection, Any)).RemovedEvents));
        var verification = await new LogVerifier(connection).Verify(null, Any);
        Assert.Equal([], verification.Differences.Select(one => one.Found));
        Assert.Equal(0, (await LogRetention.RemovePage(connection, Policy, Any)).Removed.Streams);   // twice
    }

    [Fact]
    public async Task A_state_before_the_horizon_is_refused_and_one_after_it_is_exact()
    {
        await using var host = await OldLog.Start();
        await using var connection = await host.Postgres.OpenConnectionAsync();
        var (places, states) = (new List<long>(), new Dictionary<long, string>());
        await foreach (var one in new EventReader(connection).Read(new EventQuery(), Any))
            places.Add(one.Sequence);
        foreach (var place in places)
            states[place] = await Describe(connection, place);
        await OldLog.IsProjected(host);
        await LogRetention.RemovePage(connection, Policy, Any);
        var horizon = await LogHorizon.Read(connection, Any);
        var positions = new EventPositions(connection);

        foreach (var place in places)
            if (place < horizon.Sequence)
                await Assert.ThrowsAsync<HistoryRemovedException>(() => new Instant(null, place).FindKnown(positions, Any));
            else
                Assert.Equal(states[place], await Describe(connection, await new Instant(null, place).FindKnown(positions, Any)));
        var refusal = await Assert.ThrowsAsync<HistoryRemovedException>(
            () => new Instant(horizon.RecordedAt!.Value.AddSeconds(-1), null).FindKnown(positions, Any));
        Assert.StartsWith($"the state before event {horizon.Sequence} (", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("update kuik.mt_event_progression set last_seq_id = 1 where name = 'relay:All'", "projections")]
    [InlineData("update kuik.mt_event_progression set last_seq_id = 1, last_updated = now() - interval '30 days' where name = 'relay:All'",
        "projections")]
    [InlineData("select 1", "export")]
    [InlineData("update kuik.log_retention set exported = 1", "export")]
    public async Task What_the_relay_has_not_published_or_no_export_has_stays_and_the_reason_is_known(string sql, string reason)
    {
        await using var host = await OldLog.Start();
        await OldLog.IsProjected(host);
        await using var connection = await host.Postgres.OpenConnectionAsync();
        await LogRetentionTable.ConfirmExport(connection, 0, 0, Any);
        await host.Execute(sql);

        var held = await LogRetention.RemovePage(connection, Policy with { ExportFirst = reason == "export" }, Any);

        Assert.Equal((0L, reason), (held.Removed.Streams, held.HeldUpBy));
        Assert.InRange(held.Late, TimeSpan.FromDays(9), TimeSpan.FromDays(11));
    }

    [Fact]
    public async Task A_confirmed_export_without_a_gap_lets_events_go()
    {
        await using var host = await OldLog.Start();
        await OldLog.IsProjected(host);
        await using var connection = await host.Postgres.OpenConnectionAsync();
        var last = await new EventPositions(connection).Last(Any);

        Assert.Equal(0, await EventExport.Confirm(connection, after: 3, until: last, Any));
        Assert.Equal(last, await EventExport.Confirm(connection, after: 0, until: last, Any));
        Assert.Equal(last, await EventExport.Confirm(connection, after: 0, until: 2, Any));   // too late
        Assert.Equal(3, (await LogRetention.RemovePage(connection, Policy with { ExportFirst = true }, Any)).Removed.Streams);
    }

    [Fact]
    public async Task An_image_that_is_requested_while_its_stream_is_removed_begins_anew_and_its_view_with_it()
    {
        await using var host = await OldLog.Start();
        await OldLog.IsProjected(host);
        await using var connection = await host.Postgres.OpenConnectionAsync();

        // The decision has read the old stream when the removal commits, and is made again.
        var attempts = 0;
        await host.Transactions.Execute(async log =>
        {
            var image = await log.ReadImage(Evicted, Any);
            if (attempts++ == 0)
                Assert.Equal(3, (await LogRetention.RemovePage(connection, Policy, Any)).Removed.Streams);
            image.Append(new RequestedByPull(Evicted, DateTimeOffset.UtcNow));
        }, Any);

        Assert.Equal(2, attempts);
        Assert.Equal(1L, await host.Ask<long>($"select version from kuik.mt_streams where id = 'image/{Evicted}'"));
        await OldLog.IsProjected(host);
        Assert.Equal([], (await new LogVerifier(connection).Verify(null, Any)).Differences.Select(one => one.Found));
        Assert.Equal("Wanted 0", await host.Ask<string>($"""
            select concat_ws(' ', data -> 'state' ->> 'phase', coalesce(data -> 'state' ->> 'attempt', '0'))
            from kuik.mt_doc_image_view_3 where id = 'image/{Evicted}'
            """));
    }

    [Fact]
    public async Task An_export_holds_the_removal_up()
    {
        await using var host = await OldLog.Start();
        await OldLog.IsProjected(host);
        await using var connection = await host.Postgres.OpenConnectionAsync();

        await using (var export = await host.Postgres.OpenConnectionAsync())
        {
            await new EventPositions(export).HoldHorizon(Any);
            Assert.Equal(RetentionPage.None, await LogRetention.RemovePage(connection, Policy, Any));
            await new EventPositions(export).ReleaseHorizon(Any);
        }

        Assert.Equal(3, (await LogRetention.RemovePage(connection, Policy, Any)).Removed.Streams);
    }

    [Fact]
    public async Task What_the_policy_removes_is_no_tampering_and_kept_heads_stay_valid()
    {
        await using var host = await OldLog.Start();
        await OldLog.IsProjected(host);
        await using var connection = await host.Postgres.OpenConnectionAsync();
        var chained = Policy with { IsChained = true };
        Assert.Equal("chain", (await LogRetention.RemovePage(connection, chained, Any)).HeldUpBy);
        await HashChain.AppendPage(connection, long.MaxValue, Any);
        var middle = (await new ChainVerifier(connection).Verify([], null, Any)).Head!;

        var removed = (await LogRetention.RemovePage(connection, chained, Any)).Removed;
        await OldLog.Observe(host, "later");
        await HashChain.AppendPage(connection, long.MaxValue, Any);
        var clean = await new ChainVerifier(connection).Verify([middle], null, Any);
        await host.Execute($"delete from kuik.mt_events where stream_id = 'image/{OldLog.Live}' and version = 1");
        var live = await new ChainVerifier(connection).Verify([middle], null, Any);
        await host.Execute("delete from kuik.mt_events where stream_id = 'pod/later'; update kuik.event_hashes set content = hash "
            + "where seq_id = (select max(seq_id) from kuik.event_hashes)");
        var young = await new ChainVerifier(connection).Verify([middle], null, Any);

        Assert.Equal([], clean.Differences.Select(one => one.Found));
        Assert.Equal((10, removed.Events), (clean.Removed, clean.Removed));
        Assert.Equal("there is its hash, and no event: it was removed", Assert.Single(live.Differences).Found);
        Assert.Equal(clean.Head!.Sequence, young.Differences[^1].Sequence);
    }

    [Fact]
    public async Task A_rebuild_and_an_import_after_a_removal_make_what_is_left()
    {
        await using var host = await OldLog.Start();
        await OldLog.IsProjected(host);
        await using var connection = await host.Postgres.OpenConnectionAsync();
        await LogRetention.RemovePage(connection, Policy, Any);
        var horizon = await LogHorizon.Read(connection, Any);
        var database = await MigratedDatabase.New();
        await using var other = NpgsqlDataSource.Create(database);
        await using var imported = await other.OpenConnectionAsync();

        await host.Execute(
            $"delete from kuik.image_users where pod_uid = 'user'; delete from kuik.image_states where image = '{OldLog.Live}'");
        var rebuild = await new LogRebuild(connection, TimeProvider.System).Run(null, Any);
        await EventImport.Run(imported, new EventReader(connection).Read(new EventQuery(), Any).Select((one, index) =>
            index == 0 ? one with { Horizon = horizon } : one), null, Any);

        Assert.Equal(2, rebuild.Parts.Values.Sum());
        foreach (var log in new[] { connection, imported })
        {
            Assert.Equal([], (await new LogVerifier(log).Verify(null, Any)).Differences.Select(one => one.Found));
            Assert.Equal(horizon, await LogHorizon.Read(log, Any) with
            {
                RemovedEvents = horizon.RemovedEvents,
                RemovedStreams = horizon.RemovedStreams,
            });
        }
        Assert.Equal(0, (await LogRetention.RemovePage(connection, Policy, Any)).Removed.Streams);
    }

    private static async Task<string> Describe(NpgsqlConnection connection, long until)
    {
        var state = new ReplayedState();
        await foreach (var one in new EventReader(connection).Read(new EventQuery { Until = until }, Any))
            state.Apply(one);
        // An image that has left the cache is not listed any more once its stream is gone.
        return string.Join('\n', state.Images.Values.Where(image => image.State.Phase != ImagePhase.Gone).Select(image => image.ToString())
            .Concat(state.Users.Values.Select(user => $"{user.Key} {string.Join(' ', user.References)}")).Order(StringComparer.Ordinal));
    }
}
