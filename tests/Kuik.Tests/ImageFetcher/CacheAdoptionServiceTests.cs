using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.ImageFetcher;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.PodWatcher;
using Xunit;

namespace Kuik.Tests.ImageFetcher;

public sealed class CacheAdoptionServiceTests
{
    private const string Nginx = "docker.io/library/nginx:1.27";
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly CopiedImage Whole =
        new("sha256:" + new string('a', 64), "m", ["linux/amd64"], [], 1234, 0, 1000, TimeSpan.Zero);
    private static readonly RequestedByPod Requested = new(Nginx, "nginx:1.27", "u", Noon);
    private static readonly ImageFetchStarted Started = new(Nginx, "fetcher", Noon.AddMinutes(2), Noon) { Attempt = 1 };
    private static readonly ImageExpired Expired = new(Nginx, Noon);
    private static readonly ImageCached Cached =
        new(Nginx, Whole.Digest, "m", ["linux/amd64"], [], 1234, 1000, 0, TimeSpan.Zero, Noon) { Attempt = 1 };

    [Fact]
    public void An_image_that_the_log_never_had_is_adopted_and_can_become_unused()
    {
        var adopted = Decide(Whole);

        Assert.Equal(new ImageAdopted(Nginx, Whole.Digest, "m", Whole.Platforms, [], 1234, 1, Noon), adopted);
        Assert.True(Fold(adopted!) is { IsCached: true, CanBecomeUnused: true, Attempt: 1, SizeInBytes: 1234 });
    }

    [Fact]
    public void Twice_It_is_adopted_once() => Assert.Null(Decide(Whole, Decide(Whole)!));

    [Fact]
    public void An_image_that_waits_for_its_copy_or_whose_copy_failed_is_adopted_without_one()
    {
        var failed = new ImageFetchFailed(Nginx, "rate-limited", "429", true, Noon.AddHours(1), Noon) { Attempt = 1 };

        Assert.IsType<ImageAdopted>(Decide(Whole, Requested));
        var adopted = Assert.IsType<ImageAdopted>(Decide(Whole, Requested, Started, failed));
        Assert.True(Fold(Requested, Started, failed, adopted) is { IsCached: true, RetryAt: null, Failures: 0, Attempt: 2 });
    }

    [Fact]
    public void An_image_that_is_evicted_by_the_log_and_in_the_registry_is_adopted() =>
        Assert.IsType<ImageAdopted>(Decide(Whole, Requested, Started, Cached, Expired, new ImageEvicted(Nginx, Noon)));

    [Fact]
    public void An_image_that_is_cached_copied_or_removed_is_left_alone()
    {
        Assert.Null(Decide(Whole, Requested, Started));
        Assert.Null(Decide(Whole, Requested, Started, Cached));
        Assert.Null(Decide(Whole, Requested, Started, Cached, Expired));
        Assert.Null(Decide(Whole, Requested, Started, Cached, Expired, new ImageEvictionStarted(Nginx, "f", Noon, Noon) { Attempt = 2 }));
    }

    [Fact]
    public void An_image_of_which_a_part_is_missing_is_requested_unless_it_is_already()
    {
        Assert.Equal(new RequestedByPull(Nginx, Noon), Decide(null));
        Assert.Null(Decide(null, Requested));
    }

    [Fact]
    public void Too_late_A_loss_that_an_earlier_copy_had_does_not_end_the_adoption()
    {
        var lost = new ImageLost(Nginx, "gone", 1, Noon);
        object[] adopted = [Requested, Started, Cached, lost, new ImageAdopted(Nginx, Whole.Digest, "m", [], [], 1234, 2, Noon)];

        Assert.True(Fold([.. adopted, lost]).IsCached);
        Assert.False(Fold([.. adopted, lost with { Attempt = 2 }]).IsCached);
    }

    [Fact]
    public void An_adopted_image_is_shown_as_cached_since_then()
    {
        var view = ImageView.Fold(null, StreamName.OfImage(Nginx), 1, Decide(Whole)!);

        Assert.Equal((ImageStage.Cached, 1234, Noon), (view.Stage, view.Cached!.SizeInBytes, view.ReadyChangedAt));
        var status = ShowImage.Desired(view, "n", 0, [])!.Status!;
        Assert.Equal((true, null, null, null), (status.IsCached, status.UpToDate, status.LastSync, status.LastSuccessfulPull));
        Assert.Equal(("Unknown", "NotAsked"),
            status.Conditions!.Where(one => one.Type == "UpToDate").Select(one => (one.Status, one.Reason)).Single());
    }

    private static object? Decide(CopiedImage? content, params object[] given) =>
        CacheAdoptionService.Decide(Fold(given), Nginx, content, Noon);

    private static ImageState Fold(params object[] facts) => facts.Aggregate(ImageState.Initial, ImageState.Fold);
}
