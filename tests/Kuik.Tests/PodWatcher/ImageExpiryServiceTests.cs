using Kuik.Contracts;
using Kuik.PodWatcher;
using Xunit;

namespace Kuik.Tests.PodWatcher;

public sealed class ImageExpiryServiceTests
{
    private const string Nginx = "docker.io/library/nginx:1.27";
    private static readonly TimeSpan Delay = TimeSpan.FromDays(30);
    private static readonly DateTimeOffset Noon = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset Later = Noon + Delay;
    private static readonly object[] Unused = [new RequestedByPod(Nginx, "nginx:1.27", "uid", Noon), new ImageUnused(Nginx, Noon, Later)];

    [Fact]
    public void An_image_that_no_pod_has_used_for_the_whole_delay_expires()
    {
        var expired = new ImageExpired(Nginx, Later) { Reason = "unused", UnusedSince = Noon, Delay = Delay, PodsListedAt = "42" };

        Assert.Equal(expired, Decide(Later, Unused));
    }

    [Fact]
    public void Twice_It_expires_once() => Assert.Null(Decide(Later, [.. Unused, new ImageExpired(Nginx, Later)]));

    [Fact]
    public void A_minute_before_its_time_nothing_expires_whatever_another_clock_says() => Assert.Null(Decide(Later.AddMinutes(-1), Unused));

    [Fact]
    public void A_changed_delay_holds_for_images_that_are_waiting()
    {
        Assert.NotNull(Decide(Noon.AddDays(1), Unused, delay: TimeSpan.FromDays(1)));
        Assert.Null(Decide(Later, Unused, delay: TimeSpan.FromDays(60)));
    }

    [Theory]
    [InlineData("live", null)]
    [InlineData(null, "recorded")]
    public void An_image_that_a_pod_uses_by_the_cluster_or_by_the_log_is_used_again(string? live, string? recorded) =>
        Assert.Equal(new ImageUsedAgain(Nginx, live ?? recorded!, Later), Decide(Later, Unused, live, recorded));

    [Theory]
    [InlineData("CronJob/uid", null)]
    [InlineData(null, "CronJob/uid")]
    public void An_image_that_a_workload_names_is_used_again(string? live, string? recorded) =>
        Assert.Equal(new ImageUsedAgain(Nginx, "uid", Later) { WorkloadKind = "CronJob" }, Decide(Later, Unused, live, recorded));

    [Fact]
    public void An_image_whose_resource_was_deleted_expires_without_a_delay()
    {
        object[] forgotten = [Unused[0], new ImageForgotten(Nginx, Noon)];

        Assert.Equal(new ImageExpired(Nginx, Noon) { Reason = "forgotten", PodsListedAt = "42" }, Decide(Noon, forgotten));
        Assert.IsType<ImageUsedAgain>(Decide(Noon, forgotten, live: "uid"));
    }

    [Fact]
    public void An_image_with_a_time_to_expire_expires_then_and_not_after_the_delay()
    {
        object[] dated = [.. Unused, new ImageExpirySet(Nginx, Noon.AddDays(2), Noon)];
        object[] late = [.. Unused, new ImageExpirySet(Nginx, Later.AddDays(2), Noon)];

        var expired = new ImageExpired(Nginx, Noon.AddDays(2)) { Reason = "expires-at", UnusedSince = Noon, PodsListedAt = "42" };
        Assert.Equal(expired, Decide(Noon.AddDays(2), dated));
        Assert.Null(Decide(Noon.AddDays(2).AddSeconds(-1), dated));
        Assert.Null(Decide(Later.AddDays(1), late));
        Assert.IsType<ImageUsedAgain>(Decide(Noon.AddDays(2), dated, recorded: "uid"));
        Assert.Null(Decide(Noon.AddDays(2), [.. dated, new ImageExpiryRemoved(Nginx, Noon)]));
    }

    [Fact]
    public void A_time_to_expire_counts_only_while_nothing_uses_the_image()
    {
        object[] requested = [Unused[0], new ImageExpirySet(Nginx, Noon.AddDays(-1), Noon)];

        Assert.Null(Decide(Noon, requested));                       // not known to be unused
        Assert.NotNull(Decide(Noon, [.. requested, Unused[1]]));    // a time that is over
        foreach (var use in new object[] { new ImageUsedAgain(Nginx, "uid", Noon), new ImageRetained(Nginx, Noon), Unused[0] })
            Assert.Null(Fold([.. requested, Unused[1], use]).ExpiresAt);
    }

    [Fact]
    public void The_work_of_an_image_with_a_time_to_expire_is_due_then()
    {
        var dated = Fold([.. Unused, new ImageExpirySet(Nginx, Noon.AddDays(2), Noon)]);
        var forgotten = ImageState.Fold(dated, new ImageForgotten(Nginx, Noon));

        Assert.Contains(new ImageWork(WorkKind.ExpireAt, Noon.AddDays(2), 0), ImageWork.From(dated));
        Assert.Contains(new ImageWork(WorkKind.Expire, null, 0), ImageWork.From(forgotten));
    }

    [Fact]
    public void Too_late_A_request_a_use_or_a_retention_since_ends_it()
    {
        Assert.Null(Decide(Later, [.. Unused, new RequestedByPull(Nginx, Later)]));
        Assert.Null(Decide(Later, [.. Unused, new ImageUsedAgain(Nginx, "uid", Later)]));
        Assert.Null(Decide(Later, [.. Unused, new ImageRetained(Nginx, Later)]));
        Assert.Null(Decide(Later, []));
    }

    private static object? Decide(
        DateTimeOffset now, object[] given, string? live = null, string? recorded = null, TimeSpan? delay = null) =>
        ImageExpiryService.Decide(Fold(given), new ExpiryEvidence(live, recorded, delay ?? Delay, "42"), now);

    private static ImageState Fold(object[] facts) => facts.Aggregate(ImageState.Initial, ImageState.Fold);
}
