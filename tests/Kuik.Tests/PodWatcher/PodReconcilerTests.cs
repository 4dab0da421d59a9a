using Kuik.Contracts;
using Kuik.PodWatcher;
using Xunit;

namespace Kuik.Tests.PodWatcher;

public sealed class PodReconcilerTests
{
    private const string Nginx = "docker.io/library/nginx:1.27";
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly PodImage Use = new("web", Nginx, "nginx:1.27");
    private static readonly LiveUser Live = new("u", "apps", "web-1", [Use], [], "apps/default");
    private static readonly PodObserved Observed = new("u", "apps", "web-1", [Use], ["pull"], Noon) { ServiceAccount = "default" };

    [Fact]
    public void A_pod_that_the_log_does_not_know_is_observed()
    {
        var fact = PodReconciler.Decide(Given(), Live, ["pull"], Noon);

        Assert.Equal(Observed with { Images = null!, PullSecrets = null! },
            Assert.IsType<PodObserved>(fact) with { Images = null!, PullSecrets = null! });
        Assert.Equal([Use], fact!.Images);
        Assert.Equal(["pull"], fact.PullSecrets);
    }

    [Fact]
    public void A_pod_seen_twice_is_observed_once() => Assert.Null(PodReconciler.Decide(Given(Observed), Live, ["pull"], Noon));

    [Fact]
    public void A_pod_without_an_image_of_ours_is_not_observed() =>
        Assert.Null(PodReconciler.Decide(Given(), Live with { Images = [] }, [], Noon));

    [Fact]
    public void An_ephemeral_container_makes_the_pod_observed_again_whole()
    {
        var debug = new PodImage("debug", "docker.io/library/busybox:latest", "busybox");

        var fact = PodReconciler.Decide(Given(Observed), Live with { Images = [Use, debug] }, ["pull"], Noon);

        Assert.Equal([Use, debug], Assert.IsType<PodObserved>(fact).Images);
    }

    [Fact]
    public void Another_pull_secret_makes_the_pod_observed_again() =>
        Assert.Equal(["pull", "more"],
            Assert.IsType<PodObserved>(PodReconciler.Decide(Given(Observed), Live, ["pull", "more"], Noon)).PullSecrets);

    [Fact]
    public void A_pod_that_starts_is_observed_again_once_when_its_node_and_all_its_digests_are_known()
    {
        var scheduled = Live with { Node = "n1", Version = 9 };
        var running = scheduled with { Images = [Use with { Digest = "sha256:aa" }], Version = 12 };

        var again = PodReconciler.Decide(Given(Observed), running, ["pull"], Noon);

        Assert.Null(PodReconciler.Decide(Given(Observed), scheduled, ["pull"], Noon));
        Assert.Equal(("n1", "sha256:aa", "12"), (again!.Node, again.Images[0].Digest, again.ResourceVersion));
        Assert.Null(PodReconciler.Decide(Given(Observed, again), running with { Version = 15, Phase = "Running" }, ["pull"], Noon));
        Assert.NotNull(PodReconciler.Decide(Given(Observed, again),
            running with { Images = [Use with { Digest = "sha256:bb" }], Version = 16 }, ["pull"], Noon));
    }

    [Fact]
    public void An_older_state_of_a_pod_than_the_recorded_one_changes_nothing() =>
        Assert.Null(PodReconciler.Decide(Given(Observed with { ResourceVersion = "20" }), Live with { Images = [], Version = 19 }, ["pull"],
            Noon));

    [Fact]
    public void A_pod_that_was_deleted_is_gone_with_its_images_and_says_why()
    {
        var fact = PodReconciler.DecideGone(Given(Observed), "u", Absence with { Last = Live with { DeletedAt = Noon, Phase = "Running" } },
            Noon);

        Assert.Equal([Nginx], fact!.Images);
        Assert.Equal(("apps", "web-1", "Deleted", Noon, "Running"), (fact.Namespace, fact.Name, fact.Reason, fact.DeletedAt, fact.Phase));
    }

    [Fact]
    public void A_pod_goes_once() => Assert.Null(PodReconciler.DecideGone(Given(Observed, Gone), "u", Absence, Noon));

    [Fact]
    public void A_pod_that_was_never_observed_does_not_go() => Assert.Null(PodReconciler.DecideGone(Given(), "u", Absence, Noon));

    [Fact]
    public void The_end_of_an_older_state_than_the_recorded_one_comes_too_late() =>
        Assert.Null(PodReconciler.DecideGone(Given(Observed with { ResourceVersion = "20" }), "u", Absence with { Version = 19 }, Noon));

    [Fact]
    public void A_pod_that_returns_after_it_was_gone_is_observed_again() =>
        Assert.IsType<PodObserved>(PodReconciler.Decide(Given(Observed, Gone), Live, ["pull"], Noon));

    private static readonly UserAbsence Absence = new(UserAbsence.Deleted, Live, null);
    private static readonly PodGone Gone = new("u", "apps", "web-1", [Nginx], Noon);

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

        Assert.Equal(isRequested, PodReconciler.DecideImage(log, Use, "u", bringsSecret, Noon) is RequestedByPod);
    }

    private static readonly RequestedByPod Requested = new(Nginx, "nginx:1.27", "t", Noon);

    private static object? Image(params object[] given) => PodReconciler.DecideImage(Fold(given), Use, "u", false, Noon);

    private static ImageState Fold(object[] facts) => facts.Aggregate(ImageState.Initial, ImageState.Fold);

    private static UserState Given(params object[] facts) => facts.Aggregate(UserState.Initial, UserState.Fold);
}
