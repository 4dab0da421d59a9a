using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.PodWatcher;
using Xunit;

namespace Kuik.Tests.PodWatcher;

public sealed class WorkloadUseTests
{
    private const string Image = "docker.io/library/nginx:1.27";
    private const string Key = "CronJob/u";

    private static readonly DateTimeOffset Noon = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly PodImage Use = new("job", Image, "nginx:1.27");
    private static readonly LiveUser Live = new(Key, "apps", "nightly", [Use], ["pull"], "apps/default") { Version = 10 };
    private static readonly UserAbsence Deleted = new(UserAbsence.Deleted, Live, 11);

    private static readonly WorkloadObserved Observed =
        new("u", "CronJob", "apps", "nightly", [Use], ["pull"], Noon) { ServiceAccount = "default", ResourceVersion = "10" };

    [Fact]
    public void A_workload_is_observed_with_its_kind_images_and_secrets()
    {
        var observed = Assert.IsType<WorkloadObserved>(WorkloadUse.Decide(Given(), Live, ["pull"], Noon));

        Assert.Equal(Observed with { Images = observed.Images, PullSecrets = observed.PullSecrets }, observed);
        Assert.Equal([Use], observed.Images);
    }

    [Fact]
    public void Twice_It_is_observed_once() => Assert.Null(WorkloadUse.Decide(Given(Observed), Live with { Version = 12 }, ["pull"], Noon));

    [Fact]
    public void A_workload_whose_template_names_no_image_of_a_registry_is_not_observed() =>
        Assert.Null(WorkloadUse.Decide(Given(), Live with { Images = [] }, [], Noon));

    [Fact]
    public void A_changed_template_is_observed_whole_and_an_older_one_is_not()
    {
        var other = Use with { Image = "docker.io/library/nginx:1.28" };

        Assert.Equal([other], WorkloadUse.Decide(Given(Observed), Live with { Images = [other], Version = 11 }, ["pull"], Noon)!.Images);
        Assert.Empty(WorkloadUse.Decide(Given(Observed), Live with { Images = [], Version = 11 }, ["pull"], Noon)!.Images);
        Assert.Null(WorkloadUse.Decide(Given(Observed), Live with { Images = [other], Version = 9 }, ["pull"], Noon));
    }

    [Fact]
    public void A_workload_goes_once_and_comes_back()
    {
        var gone = WorkloadUse.DecideGone(Given(Observed), Key, Deleted, Noon)!;

        Assert.Equal(new WorkloadGone("u", "CronJob", "apps", "nightly", gone.Images, Noon) { Reason = "Deleted" }, gone);
        Assert.Equal([Image], gone.Images);
        Assert.Null(WorkloadUse.DecideGone(Given(Observed, gone), Key, Deleted, Noon));
        Assert.Null(WorkloadUse.DecideGone(Given(), Key, Deleted, Noon));
        Assert.NotNull(WorkloadUse.Decide(Given(Observed, gone), Live, ["pull"], Noon));
    }

    [Fact]
    public void Too_late_A_list_older_than_what_is_recorded_ends_no_use() =>
        Assert.Null(WorkloadUse.DecideGone(Given(Observed), Key, Deleted with { Version = 9 }, Noon));

    [Fact]
    public void A_template_keeps_an_image_that_is_unused_or_forgotten()
    {
        object[] requested = [new RequestedByPod(Image, "nginx:1.27", "pod", Noon)];
        var again = new ImageUsedAgain(Image, "u", Noon) { WorkloadKind = "CronJob" };

        Assert.Equal(again, Of([.. requested, new ImageUnused(Image, Noon, Noon)]));
        Assert.Equal(again, Of([.. requested, new ImageForgotten(Image, Noon)]));
        Assert.Null(Of(requested));
        Assert.Null(Of([.. requested, new ImageUnused(Image, Noon, Noon), again]));
    }

    [Fact]
    public void A_template_requests_no_image_that_is_unknown_or_has_expired()
    {
        Assert.Null(Of([]));
        Assert.Null(Of([new RequestedByPod(Image, "nginx:1.27", "pod", Noon), new ImageUnused(Image, Noon, Noon),
            new ImageExpired(Image, Noon)]));
    }

    [Fact]
    public void A_user_key_says_the_kind_the_uid_and_the_stream()
    {
        Assert.Equal(("CronJob", "u", "workload/u"), (UserKey.KindOf(Key), UserKey.UidOf(Key), UserKey.StreamOf(Key)));
        Assert.Equal((null, "u", "pod/u"), (UserKey.KindOf("u"), UserKey.UidOf("u"), UserKey.StreamOf("u")));
        Assert.True(UserKey.IsOf(Key, "CronJob") && UserKey.IsOf("u", null));
        Assert.False(UserKey.IsOf(Key, "Cron") || UserKey.IsOf(Key, "Job") || UserKey.IsOf(Key, null) || UserKey.IsOf("u", "CronJob"));
    }

    private static ImageUsedAgain? Of(object[] given) =>
        WorkloadUse.DecideImage(given.Aggregate(ImageState.Initial, ImageState.Fold), Key, Noon);

    private static UserState Given(params object[] facts) => facts.Aggregate(UserState.Initial, UserState.Fold);
}
