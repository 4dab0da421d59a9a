using Kuik.Contracts;
using Kuik.PodWatcher;
using Xunit;

namespace Kuik.Tests.PodWatcher;

public sealed class ObservePodsTests
{
    private const string Nginx = "docker.io/library/nginx:1.27";
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly PodImage Use = new("web", Nginx, "nginx:1.27");
    private static readonly LivePod Live = new("u", "apps", "web-1", [Use], [], "apps/default");
    private static readonly PodObserved Observed = new("u", "apps", "web-1", [Use], ["pull"], Noon);

    [Fact]
    public void A_pod_that_the_log_does_not_know_is_observed()
    {
        var fact = ObservePods.Decide(Given(), Live, "u", ["pull"], Noon);

        Assert.Equal(Observed with { Images = null!, PullSecrets = null! }, Assert.IsType<PodObserved>(fact) with { Images = null!, PullSecrets = null! });
        Assert.Equal([Use], ((PodObserved)fact!).Images);
        Assert.Equal(["pull"], ((PodObserved)fact).PullSecrets);
    }

    [Fact]
    public void A_pod_seen_twice_is_observed_once() => Assert.Null(ObservePods.Decide(Given(Observed), Live, "u", ["pull"], Noon));

    [Fact]
    public void A_pod_without_an_image_of_ours_is_not_observed() => Assert.Null(ObservePods.Decide(Given(), Live with { Images = [] }, "u", [], Noon));

    [Fact]
    public void An_ephemeral_container_makes_the_pod_observed_again_whole()
    {
        var debug = new PodImage("debug", "docker.io/library/busybox:latest", "busybox");

        var fact = ObservePods.Decide(Given(Observed), Live with { Images = [Use, debug] }, "u", ["pull"], Noon);

        Assert.Equal([Use, debug], Assert.IsType<PodObserved>(fact).Images);
    }

    [Fact]
    public void Another_pull_secret_makes_the_pod_observed_again() =>
        Assert.Equal(["pull", "more"], Assert.IsType<PodObserved>(ObservePods.Decide(Given(Observed), Live, "u", ["pull", "more"], Noon)).PullSecrets);

    [Fact]
    public void A_pod_that_does_not_exist_any_more_is_gone_with_its_images()
    {
        var fact = ObservePods.Decide(Given(Observed), null, "u", [], Noon);

        Assert.Equal([Nginx], Assert.IsType<PodGone>(fact).Images);
        Assert.Equal("apps/web-1", $"{((PodGone)fact!).Namespace}/{((PodGone)fact).Name}");
    }

    [Fact]
    public void A_pod_goes_once() =>
        Assert.Null(ObservePods.Decide(Given(Observed, new PodGone("u", "apps", "web-1", [Nginx], Noon)), null, "u", [], Noon));

    [Fact]
    public void A_pod_that_was_never_observed_does_not_go() => Assert.Null(ObservePods.Decide(Given(), null, "u", [], Noon));

    [Fact]
    public void An_old_sight_of_a_pod_that_has_gone_comes_too_late() =>
        Assert.Null(ObservePods.Decide(Given(Observed, new PodGone("u", "apps", "web-1", [Nginx], Noon)), Live, "u", ["pull"], Noon));

    [Fact]
    public void An_unknown_image_is_requested() => Assert.Equal(new RequestedByPod(Nginx, "nginx:1.27", "u", Noon), Image());

    [Fact]
    public void An_image_that_is_on_the_list_is_not_requested_twice() => Assert.Null(Image(Requested));

    [Fact]
    public void An_unused_image_is_used_again() =>
        Assert.Equal(new ImageUsedAgain(Nginx, "u", Noon), Image(Requested, new ImageUnused(Nginx, Noon, Noon.AddDays(30))));

    [Fact]
    public void An_image_is_used_again_once() =>
        Assert.Null(Image(Requested, new ImageUnused(Nginx, Noon, Noon.AddDays(30)), new ImageUsedAgain(Nginx, "v", Noon)));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_expired_image_is_requested_again_evicted_or_not(bool isEvicted)
    {
        object[] evicted = isEvicted ? [new ImageEvicted(Nginx, Noon)] : [];

        Assert.IsType<RequestedByPod>(Image([Requested, new ImageUnused(Nginx, Noon, Noon), new ImageExpired(Nginx, Noon), .. evicted]));
    }

    [Fact]
    public void An_eviction_that_ends_after_the_image_was_requested_again_takes_nothing_back() =>
        Assert.Null(Image(Requested, new ImageExpired(Nginx, Noon), Requested, new ImageEvicted(Nginx, Noon)));

    [Theory]
    [InlineData(true, true)]
    [InlineData(false, false)]
    public void A_refused_image_is_requested_again_by_a_pod_that_brings_another_secret(bool bringsSecret, bool isRequested)
    {
        var log = Fold([Requested, new ImageFetchFailed(Nginx, "refused", "401", false, Noon, Noon)]);

        Assert.Equal(isRequested, ObservePods.DecideImage(log, Use, "u", bringsSecret, Noon) is RequestedByPod);
    }

    private static readonly RequestedByPod Requested = new(Nginx, "nginx:1.27", "t", Noon);

    private static object? Image(params object[] given) => ObservePods.DecideImage(Fold(given), Use, "u", false, Noon);

    private static ImageState Fold(object[] facts) => facts.Aggregate(ImageState.Initial, ImageState.Fold);

    private static PodUse Given(params object[] facts) => facts.Aggregate(PodUse.Nothing, PodUse.Fold);
}
