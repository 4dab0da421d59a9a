using Kuik.Contracts;
using Kuik.PodWatcher;
using Xunit;

namespace Kuik.Tests.PodWatcher;

public sealed class DecideExpiryTests
{
    private const string Nginx = "docker.io/library/nginx:1.27";
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset Later = Noon.AddDays(30);
    private static readonly RequestedByPod Requested = new(Nginx, "nginx:1.27", "u", Noon);
    private static readonly ImageUnused Unused = new(Nginx, Noon, Later);
    private static readonly ExpiryProposed Proposal = new(Nginx, Noon, Later);

    [Fact]
    public void An_image_that_nothing_uses_since_then_expires() => Assert.Equal(new ImageExpired(Nginx, Later), Decide(null, Requested, Unused));

    [Fact]
    public void An_image_that_a_pod_uses_does_not_expire() => Assert.Equal(new ImageUsedAgain(Nginx, "v", Later), Decide("v", Requested, Unused));

    [Fact]
    public void A_retained_image_does_not_expire() => Assert.Null(Decide(null, Requested, new ImageRetained(Nginx, Noon), Unused));

    [Fact]
    public void A_released_image_expires() =>
        Assert.IsType<ImageExpired>(Decide(null, Requested, new ImageRetained(Nginx, Noon), Unused, new ImageReleased(Nginx, Noon)));

    [Fact]
    public void A_proposal_that_comes_twice_is_decided_once()
    {
        Assert.Null(Decide(null, Requested, Unused, new ImageExpired(Nginx, Later)));
        Assert.Null(Decide("v", Requested, Unused, new ImageUsedAgain(Nginx, "v", Later)));
    }

    [Fact]
    public void A_proposal_that_comes_after_the_image_was_used_again_is_too_late() =>
        Assert.Null(Decide(null, Requested, Unused, new ImageUsedAgain(Nginx, "v", Noon)));

    [Fact]
    public void A_proposal_about_an_earlier_time_without_users_is_out_of_order() =>
        Assert.Null(Decide(null, Requested, Unused, new ImageUsedAgain(Nginx, "v", Noon), new ImageUnused(Nginx, Noon.AddDays(1), Later)));

    [Fact]
    public void A_proposal_about_an_image_that_was_evicted_and_requested_again_is_too_late() =>
        Assert.Null(Decide(null, Requested, Unused, new ImageExpired(Nginx, Later), new ImageEvicted(Nginx, Later), Requested));

    [Fact]
    public void A_proposal_about_an_unknown_image_is_dropped() => Assert.Null(Decide(null));

    private static object? Decide(string? user, params object[] given) =>
        DecideExpiry.Decide(given.Aggregate(ImageUse.Nothing, ImageUse.Fold), Proposal, user, Later);
}
