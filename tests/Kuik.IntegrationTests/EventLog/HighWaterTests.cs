using JasperFx.Events.Daemon;
using JasperFx.Events.Projections;
using Kuik.Contracts;
using Kuik.Testing;
using Marten;
using Marten.Subscriptions;
using Xunit;

namespace Kuik.IntegrationTests.EventLog;

/// <summary>
/// The daemon's handling of gaps in the event sequence: an append that has its number and is not committed,
/// and numbers that are never used.
/// </summary>
public class HighWaterTests
{
    /// <summary>Far longer than the threshold after which the daemon looks at a gap, and than any append of ours.</summary>
    private static readonly TimeSpan HeldOpen = TimeSpan.FromSeconds(5);

    [Fact]
    public async Task An_append_that_commits_long_after_it_took_its_number_is_not_skipped_and_keeps_its_place()
    {
        var postgres = await (await Postgres.Shared()).NewDatabase();
        var seen = new Seen("seen");
        await using var first = await LogHost.Start("first", postgres, seen.Subscribe);
        await using var second = await LogHost.Start("second", postgres, new Seen("other").Subscribe);
        await first.AppendRequest("before:1");
        await Eventually.True(() => seen.Images.Contains("before:1"), "the subscription runs");

        var slow = second.Transactions.Execute(async transaction =>
        {
            transaction.Session.Events.Append(StreamName.OfImage("slow:1"), new RequestedByPull("slow:1", DateTimeOffset.UtcNow));
            await transaction.Session.SaveChangesAsync();   // takes the number; the commit comes when this returns
            foreach (var i in Enumerable.Range(0, 20))
                await first.AppendRequest($"meanwhile:{i}");
            await Task.Delay(HeldOpen);   // the time it is held open is what this test is about
        }, CancellationToken.None);
        await slow;

        await Eventually.True(() => seen.Images.Count >= 22, "all 22 were seen");
        Assert.Equal(["before:1", "slow:1", .. Enumerable.Range(0, 20).Select(i => $"meanwhile:{i}")], seen.Images);
    }

    [Fact]
    public async Task A_number_that_was_rolled_back_holds_nothing_up_while_two_services_lead()
    {
        var postgres = await (await Postgres.Shared()).NewDatabase();
        var (seen, other) = (new Seen("seen"), new Seen("other"));
        await using var first = await LogHost.Start("first", postgres, seen.Subscribe);
        await using var second = await LogHost.Start("second", postgres, other.Subscribe);
        await first.AppendRequest("before:1");
        await Eventually.True(() => seen.Images.Contains("before:1") && other.Images.Contains("before:1"), "both lead");

        await first.Ask<long>("select nextval('kuik.mt_events_sequence')");
        await first.AppendRequest("after:1");

        await Eventually.True(() => seen.Images.Contains("after:1") && other.Images.Contains("after:1"), "both went on");
    }

    [Fact]
    public async Task A_number_that_was_rolled_back_while_one_service_was_away_holds_it_up_neither()
    {
        var postgres = await (await Postgres.Shared()).NewDatabase();
        var (seen, other) = (new Seen("seen"), new Seen("other"));
        await using var second = await LogHost.Start("second", postgres, other.Subscribe);
        await using (await LogHost.Start("first", postgres, seen.Subscribe))
        {
            await second.AppendRequest("before:1");
            await Eventually.True(() => seen.Images.Contains("before:1") && other.Images.Contains("before:1"), "both lead");
        }

        await second.Ask<long>("select nextval('kuik.mt_events_sequence')");
        await second.AppendRequest("after:1");
        await using var again = await LogHost.Start("first", postgres, seen.Subscribe);

        await Eventually.True(() => seen.Images.Contains("after:1"), "it went on");
    }

    /// <summary>A subscription that keeps what it sees.</summary>
    private sealed class Seen(string name) : SubscriptionBase
    {
        private readonly List<string> images = [];

        public IReadOnlyList<string> Images { get { lock (images) return [.. images]; } }

        public void Subscribe(StoreOptions options) => options.Projections.Subscribe(this, subscription => subscription.Name = name);

        public override Task<IChangeListener> ProcessEventsAsync(EventRange page, ISubscriptionController controller,
            IDocumentOperations operations, CancellationToken cancellationToken)
        {
            lock (images)
                images.AddRange(page.Events.Select(e => ((RequestedByPull)e.Data).Image));
            return Task.FromResult<IChangeListener>(NullChangeListener.Instance);
        }
    }
}
