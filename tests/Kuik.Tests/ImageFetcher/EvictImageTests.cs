using Kuik.Contracts;
using Kuik.ImageFetcher;
using Xunit;

namespace Kuik.Tests.ImageFetcher;

public sealed class EvictImageTests
{
    private const string Nginx = "docker.io/library/nginx:1.27";
    private const string Us = "fetcher-0:8080";
    private const string Them = "fetcher-1:8080";
    private static readonly DateTimeOffset Noon = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);
    private static readonly RequestedByPod Requested = new(Nginx, "nginx:1.27", "uid-1", Noon);
    private static readonly ImageCached Cached = new(Nginx, "sha256:" + new string('a', 64), "application/vnd.oci.image.index.v1+json",
        ["linux/amd64"], [], 10, 10, 0, TimeSpan.FromSeconds(3), Noon.AddSeconds(4));
    private static readonly ImageExpired Expired = new(Nginx, Noon);
    private static readonly ImageEvicted Evicted = new(Nginx, Noon.AddSeconds(2));

    [Fact]
    public void An_expired_image_is_evicted() => Assert.Equal(EvictDecision.Take, Decide(Noon, Requested, Cached, Expired));

    [Fact]
    public void An_image_that_expired_before_it_was_ever_cached_is_evicted_all_the_same() =>
        Assert.Equal(EvictDecision.Take, Decide(Noon, Requested, Expired));

    [Fact]
    public void The_same_message_delivered_twice_evicts_once() =>
        Assert.Equal(EvictDecision.AlreadyEvicted, Decide(Noon.AddSeconds(3), Requested, Cached, Expired, Started(Us, Noon), Evicted));

    [Fact]
    public void An_image_that_has_not_expired_stays() =>
        Assert.Equal(EvictDecision.NotExpired, Decide(Noon, Requested, Cached, new ImageUnused(Nginx, Noon, Noon)));

    [Fact]
    public void An_image_that_was_asked_for_since_stays()
    {
        Assert.Equal(EvictDecision.NotExpired, Decide(Noon.AddSeconds(3), Cached, Expired, Requested));
        Assert.Equal(EvictDecision.NotExpired, Decide(Noon.AddSeconds(3), Cached, Expired, new RequestedByPull(Nginx, Noon)));
        Assert.Equal(EvictDecision.NotExpired,
            Decide(Noon.AddSeconds(3), Cached, Expired, new RequestedByPerson(Nginx, "nginx:1.27", "nginx", Noon)));
    }

    [Fact]
    public void A_message_that_arrives_after_the_image_was_evicted_and_fetched_again_changes_nothing() =>
        Assert.Equal(EvictDecision.NotExpired, Decide(Noon.AddDays(1), Cached, Expired, Evicted, Requested, Cached));

    [Fact]
    public void An_image_that_expires_again_is_evicted_again() =>
        Assert.Equal(EvictDecision.Take, Decide(Noon.AddDays(1), Cached, Expired, Evicted, Requested, Cached, Expired));

    [Fact]
    public void An_eviction_under_way_elsewhere_is_left_to_that_replica_until_its_lease_ends()
    {
        Assert.Equal(EvictDecision.HeldByAnother, Decide(Noon.AddSeconds(119), Cached, Expired, Started(Them, Noon)));
        Assert.Equal(EvictDecision.Take,
            Decide(Noon.AddSeconds(120), Cached, Expired, Started(Them, Noon), new EvictionDue(Nginx, Noon, Noon.AddSeconds(120))));
    }

    [Fact]
    public void A_replica_that_was_killed_takes_its_own_eviction_up_again() =>
        Assert.Equal(EvictDecision.Take, Decide(Noon.AddSeconds(1), Cached, Expired, Started(Us, Noon)));

    [Fact]
    public void A_copy_that_ends_after_the_image_had_expired_changes_nothing()
    {
        Assert.Equal(EvictDecision.Take, Decide(Noon.AddSeconds(3), Expired, Cached));
        Assert.Equal(EvictDecision.AlreadyEvicted, Decide(Noon.AddSeconds(3), Expired, Started(Them, Noon), Evicted, Cached));
    }

    [Fact]
    public void A_claim_is_current_until_another_one_or_a_request_follows()
    {
        var claimed = Given(Cached, Expired, Started(Us, Noon) with { Attempt = 7 });

        Assert.True(EvictImage.IsCurrent(claimed, 7));
        Assert.False(EvictImage.IsCurrent(ImageState.Fold(claimed, Started(Them, Noon) with { Attempt = 8 }), 7));
        Assert.False(EvictImage.IsCurrent(ImageState.Fold(claimed, Requested), 7));
    }

    private static EvictDecision Decide(DateTimeOffset now, params object[] facts) => EvictImage.Decide(Given(facts), null, now, Us);

    private static ImageState Given(params object[] facts) =>
        facts.Aggregate(ImageState.Fold(ImageState.Initial, Requested), ImageState.Fold);

    private static ImageEvictionStarted Started(string by, DateTimeOffset at) => new(Nginx, by, at.AddMinutes(2), at);
}
