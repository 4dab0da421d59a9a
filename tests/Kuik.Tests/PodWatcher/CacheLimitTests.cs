using Kuik.Contracts;
using Kuik.PodWatcher;
using Xunit;

namespace Kuik.Tests.PodWatcher;

public sealed class CacheLimitTests
{
    private static readonly DateTimeOffset Noon = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Within_the_limit_nothing_leaves() =>
        AssertChosen(CacheLimit.Choose([Unused("a", 40, 1), Used("b", 60)], 100), size: 100, excess: 0);

    [Fact]
    public void The_least_recently_used_leave_until_the_rest_fits() =>
        AssertChosen(CacheLimit.Choose([Unused("new", 40, 1), Unused("oldest", 40, 9), Unused("old", 40, 5), Used("b", 40)], 100),
            160, 0, "oldest", "old");

    [Fact]
    public void One_in_use_or_retained_never_leaves_and_what_is_too_much_is_said() =>
        AssertChosen(CacheLimit.Choose([Used("a", 80), Unused("b", 20, 1), Used("c", 80)], 100), size: 180, excess: 60, "b");

    [Fact]
    public void A_digest_counts_once_and_leaves_when_nothing_uses_any_of_its_references()
    {
        var shared = Unused("a", 60, 9) with { Digest = "one" };

        AssertChosen(CacheLimit.Choose([shared, Used("b", 60) with { Digest = "one" }], 60), size: 60, excess: 0);
        AssertChosen(CacheLimit.Choose([shared, Used("b", 60) with { Digest = "one" }, Unused("c", 10, 1)], 60), 70, 0, "c");
        AssertChosen(CacheLimit.Choose([shared, Unused("b", 60, 2) with { Digest = "one" }, Unused("c", 10, 3)], 60), 70, 0, "c");
        AssertChosen(CacheLimit.Choose([shared, Unused("b", 60, 4) with { Digest = "one" }, Unused("c", 10, 3)], 60), 70, 0, "a", "b");
    }

    [Fact]
    public void An_image_over_the_limit_expires_before_its_time_if_nothing_uses_it()
    {
        object[] cached =
        [
            new RequestedByPod("a", "a", "uid", Noon), new ImageCached("a", "sha256:1", "m", [], [], 1, 1, 0, TimeSpan.Zero, Noon),
            new ImageUnused("a", Noon, Noon.AddDays(30)),
        ];
        var evidence = new ExpiryEvidence(null, null, TimeSpan.FromDays(30), "42") { IsOverLimit = true };

        var expired = new ImageExpired("a", Noon) { Reason = "cache-limit", UnusedSince = Noon, PodsListedAt = "42" };
        Assert.Equal(expired, ImageExpiryService.Decide(Fold(cached), evidence, Noon));
        Assert.Equal("unused", ((ImageExpired)ImageExpiryService.Decide(Fold(cached), evidence, Noon.AddDays(30))!).Reason);
        Assert.IsType<ImageUsedAgain>(ImageExpiryService.Decide(Fold(cached), evidence with { LiveUser = "uid" }, Noon));
        Assert.IsType<ImageUsedAgain>(ImageExpiryService.Decide(Fold(cached), evidence with { RecordedUser = "uid" }, Noon));
        Assert.Null(ImageExpiryService.Decide(Fold([.. cached, new ImageRetained("a", Noon)]), evidence, Noon));
        Assert.Null(ImageExpiryService.Decide(Fold(cached[..2]), evidence, Noon));                                 // not recorded as unused
        Assert.Null(ImageExpiryService.Decide(Fold([cached[0], cached[2]]), evidence, Noon));                      // not in the cache
        Assert.Null(ImageExpiryService.Decide(Fold([.. cached, expired]), evidence, Noon));                        // twice
        Assert.Null(ImageExpiryService.Decide(Fold(cached), evidence with { IsOverLimit = false }, Noon));
    }

    private static ImageState Fold(object[] facts) => facts.Aggregate(ImageState.Initial, ImageState.Fold);

    private static CachedSize Used(string image, long size) => new(image, "of " + image, size, null);

    private static CachedSize Unused(string image, long size, int days) => new(image, "of " + image, size, Noon.AddDays(-days));

    private static void AssertChosen(CacheLimitResult result, long size, long excess, params string[] leaving)
    {
        Assert.Equal((size, excess), (result.SizeInBytes, result.ExcessInBytes));
        Assert.Equal(leaving, result.Leaving);
    }
}
