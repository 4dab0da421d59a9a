using Kuik.EventLog;
using Kuik.PodWatcher;
using Xunit;

namespace Kuik.Tests.PodWatcher;

public sealed class UsageCacheTests
{
    [Fact]
    public void Users_are_counted_and_the_first_are_named_in_order()
    {
        var known = new UsageCache([Row("nginx", "1", "b"), Row("nginx", "2", "a"), Row("nginx", "3", "c"), Row("redis", "3", "c")]);

        var (count, first) = known.UsersOf("nginx", 2);

        Assert.Equal(3, count);
        Assert.Equal(["apps/a", "apps/b"], first);
        Assert.Equal(["nginx", "redis"], known.Find("3")!.Images);
    }

    [Fact]
    public void A_pod_that_goes_is_taken_from_all_of_its_images()
    {
        var known = new UsageCache([Row("nginx", "1", "a"), Row("redis", "1", "a")]);

        var touched = known.Set("1", known.Find("1")! with { IsGone = true });

        Assert.Equal(["nginx", "redis"], touched);
        Assert.Equal(0, known.UsersOf("nginx", 20).Count);
        Assert.Null(known.Find("1"));
        Assert.Empty(known.Uids());
    }

    [Fact]
    public void A_pod_whose_images_change_touches_the_old_and_the_new_ones()
    {
        var known = new UsageCache([Row("nginx", "1", "a"), Row("redis", "1", "a")]);

        var touched = known.Set("1", known.Find("1")! with { Images = ["nginx", "busybox"] });

        Assert.Equal(["nginx", "redis", "busybox"], touched);
        Assert.Equal((1, 0, 1), (known.UsersOf("nginx", 20).Count, known.UsersOf("redis", 20).Count, known.UsersOf("busybox", 20).Count));
    }

    [Fact]
    public void What_pods_of_one_template_have_in_common_is_in_memory_once()
    {
        var known = new UsageCache([Row("nginx", "1", "a"), Row("nginx", "2", "b")]);

        Assert.Same(known.Find("1")!.Images, known.Find("2")!.Images);
        Assert.Same(known.Find("1")!.PullSecrets, known.Find("2")!.PullSecrets);
    }

    [Fact]
    public void A_pod_in_doubt_is_among_the_known_ones_until_the_log_has_been_asked()
    {
        var known = new UsageCache([Row("nginx", "1", "a")]);

        known.Doubt(["1", "2"]);

        Assert.Equal(["1", "2"], known.Uids().Order());
        Assert.True(known.IsDoubtful("1"));
        Assert.Null(known.Find("2"));

        known.Set("1", known.Find("1")!);
        Assert.Empty(known.Set("2", UserState.Initial));

        Assert.Equal(["1"], known.Uids());
        Assert.False(known.IsDoubtful("1"));
        Assert.Null(known.Find("2"));
    }

    [Fact]
    public void Workloads_are_counted_apart_from_pods()
    {
        var known = new UsageCache(
            [Row("nginx", "1", "a"), Row("nginx", "Job/3", "c"), Row("nginx", "Deployment/2", "b"), Row("nginx", "CronJob/4", "b")]);

        var (count, first) = known.WorkloadsOf("nginx", 2);

        Assert.Equal((1, 3), (known.UsersOf("nginx", 20).Count, count));
        Assert.Equal([new("CronJob", "apps/b"), new("Deployment", "apps/b")], first);
        Assert.Equal(["Job/3"], known.Uids("Job"));
        Assert.Equal(["1"], known.Uids(null));
        known.Set("Job/3", UserState.Initial);
        Assert.Equal((1, 2, 0),
            (known.UsersOf("nginx", 20).Count, known.WorkloadsOf("nginx", 2).Count, known.WorkloadsOf("redis", 2).Count));
    }

    private static ImageUser Row(string image, string uid, string pod) => new(image, uid, "apps", pod, []);
}
