using Kuik.EventLog;
using Kuik.PodWatcher;
using Kuik.Testing;
using Marten;
using Xunit;

namespace Kuik.IntegrationTests.EventLog;

/// <summary>Projections and subscriptions of a version beside a newer one, which appends events that this version does not know. The
/// relay's case is in <see cref="RelayTests"/>.</summary>
public sealed class NewerEventTests
{
    private static readonly string[] Shards = ["image-states-1:All", $"{ImageView.ProjectionName}:All"];

    [Fact]
    public async Task An_event_of_a_newer_version_stops_views_and_snapshots_before_the_next_event_and_that_version_goes_on()
    {
        var postgres = await MigratedDatabase.New();
        await using var newer = await LogHost.Start("newer", postgres, Newer);
        await using (var old = await LogHost.Start("views", postgres, WatcherSetup.Documents, builder => builder.AddKuikImageStates()))
        {
            await newer.AppendRequest("before:1");
            await Eventually.True(async () => await old.Ask<long>(Passed(1)) == 2, "both have followed the log");
            await newer.Transactions.Execute(async log =>
                (await log.Read("image/other:1", 0, (count, _) => count + 1, CancellationToken.None))
                    .Append(new RelayTests.ImageDreamt("other:1", DateTimeOffset.UtcNow)), CancellationToken.None);
            await newer.AppendRequest("after:1");

            await Eventually.True(async () => await old.Ready() is (503, var body)
                && Shards.All(shard => body.Contains($"{shard} cannot get past", StringComparison.Ordinal))
                && body.Contains("ImageDreamt", StringComparison.Ordinal), "it is not ready, and names both and the event");
            var metrics = await old.Metrics();
            Assert.All(Shards, shard =>
                Assert.Matches($"kuik_event_log_stopped\\{{.*reason=\"event\".*shard=\"{shard}\".*\\}} 1", metrics));
            Assert.Equal(0, await old.Ask<long>(Views("after:1")));
        }
        await using var next = await LogHost.Start("views", postgres, options =>
        {
            WatcherSetup.Documents(options);
            Newer(options);
        }, builder => builder.AddKuikImageStates());

        await Eventually.True(async () => await next.Ask<long>(Passed(3)) == 2, "the newer version went on");
        Assert.Equal((1, 1), (await next.Ask<long>(Views("before:1")), await next.Ask<long>(Views("after:1"))));
    }

    private static void Newer(StoreOptions options) => options.Events.MapEventType<RelayTests.ImageDreamt>("ImageDreamt");

    private static string Passed(long events) => $"""
        select count(*) from kuik.mt_event_progression
        where (name like 'image-view-%' or name like 'image-states-%') and last_seq_id >= {events}
        """;

    private static string Views(string image) =>
        $"select count(*) from kuik.mt_doc_{ImageView.DocumentAlias} where id = 'image/docker.io/library/{image}' or id = 'image/{image}'";
}
