using Kuik.ImageFetcher.CopyEngine;
using Xunit;

namespace Kuik.Tests.CopyEngine;

public class RendezvousRingTests
{
    private static readonly Replica[] Five =
        [.. Enumerable.Range(1, 5).Select(i => new Replica(new Uri($"http://10.0.0.{i}:8080"), $"image-fetcher-{i}"))];
    private static readonly string[] Digests = [.. Enumerable.Range(0, 1000).Select(i => $"sha256:{i:x64}")];

    [Fact]
    public void Every_replica_agrees_whatever_order_it_knows_the_others_in() =>
        Assert.All(Digests, digest => Assert.Equal(RendezvousRing.Rank(digest, Five), RendezvousRing.Rank(digest, Five.Reverse())));

    [Fact]
    public void A_replica_that_goes_takes_only_its_own_blobs_along()
    {
        var four = Five[..4];

        Assert.All(Digests, digest =>
        {
            var before = RendezvousRing.Rank(digest, Five);
            Assert.Equal(before.Where(replica => replica != Five[4]), RendezvousRing.Rank(digest, four));
        });
    }

    [Fact]
    public void A_replica_that_comes_back_at_another_address_under_its_name_owns_what_it_owned()
    {
        Replica[] restarted = [.. Five[..4], Five[4] with { Address = new Uri("http://10.0.0.99:8080") }];

        Assert.All(Digests, digest => Assert.Equal(
            RendezvousRing.Rank(digest, Five).Select(replica => replica.Name),
            RendezvousRing.Rank(digest, restarted).Select(replica => replica.Name)));
    }

    [Fact]
    public void Of_a_dual_stack_Service_each_replica_counts_once()
    {
        System.Net.IPAddress[] both = [System.Net.IPAddress.Parse("10.0.0.1"), System.Net.IPAddress.Parse("fd00::1")];

        Assert.Equal(both[..1], ReplicaList.OneFamily(both));
        Assert.Equal(both[1..], ReplicaList.OneFamily(both[1..]));
    }

    [Fact]
    public void Blobs_are_spread_over_all()
    {
        var owned = Digests.GroupBy(digest => RendezvousRing.Rank(digest, Five)[0])
            .ToDictionary(group => group.Key, group => group.Count());

        Assert.Equal(5, owned.Count);
        Assert.All(owned.Values, count => Assert.InRange(count, 120, 280));   // 200 each, give or take five standard deviations and more
    }
}
