using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.ImageFetcher;
using Kuik.ImageFetcher.CopyEngine;
using Xunit;

namespace Kuik.Tests.ImageFetcher;

public sealed class ImageRefresherTests
{
    private const string Nginx = "docker.io/library/nginx:1.27";
    private static readonly string Old = Digest('a');
    private static readonly string New = Digest('b');
    private static readonly DateTimeOffset Noon = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);
    private static readonly OriginAnswer Same = new(OriginAnswers.Same) { Copy = CopyOf(Old) };
    private static readonly OriginAnswer Moved = new(OriginAnswers.Same) { Copy = CopyOf(New) };
    private static readonly OriginAnswer Gone = new(OriginAnswers.Gone) { Reason = "404" };
    private static readonly OriginAnswer Away = new(CopyException.Unreachable) { Reason = "no answer" };

    [Fact]
    public void A_tag_that_names_another_digest_has_moved_and_the_previous_digest_is_remembered()
    {
        var moved = Assert.IsType<TagMoved>(ImageRefresher.Decide(Cached(), 1, Moved, Noon.AddHours(1)));

        var state = ImageState.Fold(Cached(), moved);
        Assert.Equal((Old, New, 1L), (moved.PreviousDigest, moved.Digest, moved.Attempt));
        Assert.Equal((ImagePhase.Cached, New), (state.Phase, state.Digest));
        Assert.Equal([Old], state.ReplacedDigests!);
    }

    [Fact]
    public void A_tag_that_moves_back_no_longer_has_its_digest_among_the_replaced_ones()
    {
        var moved = ImageState.Fold(Cached(), ImageRefresher.Decide(Cached(), 1, Moved, Noon.AddHours(1))!);

        var back = ImageState.Fold(moved, ImageRefresher.Decide(moved, 1, Same, Noon.AddHours(2))!);

        Assert.Equal([New], back.ReplacedDigests!);
    }

    [Fact]
    public void An_image_that_was_evicted_or_copied_again_since_is_left_alone()
    {
        var evicted = ImageState.Fold(Cached(), new ImageExpired(Nginx, Noon));

        Assert.Null(ImageRefresher.Decide(evicted, 1, Moved, Noon));
        Assert.Null(ImageRefresher.Decide(Cached(), 2, Moved, Noon));
        var moved = ImageRefresher.Decide(Cached(), 1, Moved, Noon)!;
        Assert.Same(evicted, ImageState.Fold(evicted, moved));
    }

    [Fact]
    public void The_same_answer_is_recorded_once_a_day()
    {
        Assert.Null(ImageRefresher.Decide(Cached(), 1, Same, Noon.AddHours(23)));
        Assert.Equal(OriginAnswers.Same, Checked(Cached(), Same, Noon.AddHours(24))?.Answer);
    }

    [Fact]
    public void An_image_that_is_gone_at_its_origin_is_kept_recorded_once_and_recorded_again_when_it_is_back()
    {
        var gone = ImageState.Fold(Cached(), Checked(Cached(), Gone, Noon.AddHours(1))!);

        Assert.Equal((ImagePhase.Cached, OriginAnswers.Gone), (gone.Phase, gone.OriginAnswer));
        Assert.Null(ImageRefresher.Decide(gone, 1, Gone, Noon.AddHours(2)));
        Assert.Equal(OriginAnswers.Same, Checked(gone, Same, Noon.AddHours(3))?.Answer);
    }

    [Fact]
    public void An_origin_that_does_not_answer_is_recorded_once_where_a_person_waits_and_else_never()
    {
        Assert.Null(ImageRefresher.Decide(Cached(), 1, Away, Noon.AddDays(9)));

        var waiting = ImageState.Fold(Cached(), new RefreshRequested(Nginx, Noon.AddHours(1)));
        var told = ImageState.Fold(waiting, Checked(waiting, Away, Noon.AddHours(1))!);
        Assert.NotNull(told.RefreshRequestedAt);
        Assert.Null(ImageRefresher.Decide(told, 1, Away, Noon.AddHours(2)));
        Assert.Null(ImageState.Fold(told, Checked(told, Same, Noon.AddHours(2))!).RefreshRequestedAt);
    }

    [Fact]
    public void A_request_for_an_image_whose_copy_has_failed_opens_the_copy_at_once()
    {
        var failed = Given(new RequestedByPod(Nginx, "nginx", "uid", Noon), Started(1),
            new ImageFetchFailed(Nginx, "refused", "x", false, Noon.AddHours(1), Noon) { Attempt = 1 });

        Assert.Equal(ImagePhase.Wanted, ImageState.Fold(failed, new RefreshRequested(Nginx, Noon)).Phase);
    }

    [Fact]
    public void A_request_during_a_copy_is_open_after_it_and_one_before_its_claim_is_done_by_it()
    {
        object[] copying = [new RequestedByPod(Nginx, "nginx", "uid", Noon), Started(1)];
        var cached = new ImageCached(Nginx, "sha256:a", "m", [], [], 1, 1, 0, TimeSpan.Zero, Noon.AddHours(2)) { Attempt = 1 };
        var request = new RefreshRequested(Nginx, Noon.AddHours(1));

        Assert.Equal(Noon.AddHours(1), Given([.. copying, request, cached]).RefreshRequestedAt);
        Assert.Null(Given([.. copying[..1], request, Started(1, at: Noon.AddHours(1)), cached]).RefreshRequestedAt);
        Assert.Null(Given([.. copying, request, Started(2, at: Noon.AddHours(1)), cached with { Attempt = 2 }]).RefreshRequestedAt);
    }

    [Fact]
    public void A_copy_that_fails_after_a_person_asked_during_it_is_tried_again_at_once_and_only_once()
    {
        var now = Noon.AddHours(1);
        var copying = Given(new RequestedByPod(Nginx, "nginx", "uid", Noon), Started(1), new RefreshRequested(Nginx, now));
        var gone = new CopyException("gone", "x", false);
        var limited = new CopyException("rate-limited", "x", true, TimeSpan.FromMinutes(1));

        var failed = FetchImage.Failed(copying, Nginx, gone, 1, now)!;

        Assert.Equal(now, failed.RetryAt);
        Assert.Equal(now.AddMinutes(1), FetchImage.Failed(copying, Nginx, limited, 1, now)!.RetryAt);
        var again = ImageState.Fold(ImageState.Fold(copying, failed), Started(2, at: now));
        Assert.True(FetchImage.Failed(again, Nginx, gone, 2, now)!.RetryAt > now);
    }

    [Fact]
    public void A_request_during_a_comparison_is_not_ended_by_its_answer()
    {
        var asked = Noon.AddHours(1);
        var waiting = ImageState.Fold(Cached(), new RefreshRequested(Nginx, asked.AddSeconds(1)));
        var (early, late) = (Same with { AskedAt = asked }, Same with { AskedAt = asked.AddSeconds(1) });

        Assert.Null(ImageRefresher.Decide(waiting, 1, early, Noon.AddHours(2)));
        Assert.NotNull(ImageState.Fold(waiting, Checked(waiting, early, Noon.AddHours(30))!).RefreshRequestedAt);
        Assert.Null(ImageState.Fold(waiting, Checked(waiting, late, Noon.AddHours(2))!).RefreshRequestedAt);
    }

    [Fact]
    public void The_work_of_a_request_is_due_at_once_and_that_of_a_cached_image_is_always_open()
    {
        var waiting = ImageState.Fold(Cached(), new RefreshRequested(Nginx, Noon));

        Assert.Contains(new ImageWork(WorkKind.Refresh, null, 0), ImageWork.From(Cached()));
        Assert.Contains(new ImageWork(WorkKind.Refresh, Noon, 0), ImageWork.From(waiting));
    }

    [Theory]
    [InlineData(0, 24)]
    [InlineData(23, 1)]
    [InlineData(30, 0)]
    public void An_image_is_due_when_the_interval_since_the_last_record_is_over(int hoursSince, int hoursLeft) =>
        Assert.Equal(TimeSpan.FromHours(hoursLeft),
            DueRefresh.PauseOf(Cached(), new RefreshPolicy(TimeSpan.FromDays(1), []), Noon.AddHours(hoursSince)));

    [Fact]
    public void Without_a_policy_that_covers_it_an_image_is_due_only_when_a_person_asks()
    {
        var other = new RefreshPolicy(TimeSpan.FromHours(1), ["redis"]);

        Assert.Null(DueRefresh.PauseOf(Cached(), null, Noon.AddDays(9)));
        Assert.Null(DueRefresh.PauseOf(Cached(), other, Noon.AddDays(9)));
        Assert.Equal(TimeSpan.Zero, DueRefresh.PauseOf(ImageState.Fold(Cached(), new RefreshRequested(Nginx, Noon)), null, Noon));
    }

    [Fact]
    public void After_a_failure_it_is_due_after_a_tenth_of_the_interval_or_when_the_origin_allows()
    {
        Assert.Equal(TimeSpan.FromMinutes(6), new DueRefresh(Nginx, 1, TimeSpan.FromHours(1), Noon).After(Away));
        Assert.Equal(TimeSpan.FromHours(1), new DueRefresh(Nginx, 1, TimeSpan.FromDays(7), Noon).After(Away));
        Assert.Equal(TimeSpan.FromMinutes(1), new DueRefresh(Nginx, 1, null, Noon).After(Away));
        var limited = new OriginAnswer(CopyException.RateLimited) { RetryAfter = TimeSpan.FromHours(6) };
        Assert.Equal(TimeSpan.FromHours(6), new DueRefresh(Nginx, 1, TimeSpan.FromHours(1), Noon).After(limited));
        Assert.Equal(TimeSpan.FromDays(7), new DueRefresh(Nginx, 1, TimeSpan.FromDays(7), Noon).After(Gone));
        Assert.Null(new DueRefresh(Nginx, 1, null, Noon).After(Same));
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("nginx", true)]
    [InlineData("^nginx:", true)]
    [InlineData("^docker.io/library/nginx:1\\.", true)]
    [InlineData(":latest$", false)]
    [InlineData("(?P<name>nginx)", true)]
    [InlineData("(?=nginx)", false)]   // not an expression of Go
    public void A_filter_matches_an_image_as_it_is_written_or_in_full(string filter, bool isCovered) =>
        Assert.Equal(isCovered, new RefreshPolicy(TimeSpan.FromHours(1), filter.Length == 0 ? [] : [filter]).Covers(Nginx));

    private static OriginChecked? Checked(ImageState image, OriginAnswer answer, DateTimeOffset now) =>
        (OriginChecked?)ImageRefresher.Decide(image, 1, answer, now);

    private static ImageState Cached() => Given(
        new RequestedByPod(Nginx, "nginx", "uid", Noon), Started(1),
        new ImageCached(Nginx, Old, "m", [], [], 1, 1, 0, TimeSpan.Zero, Noon) { Attempt = 1 });

    private static ImageFetchStarted Started(long attempt, DateTimeOffset? at = null) =>
        new(Nginx, "replica", Noon.AddHours(3), at ?? Noon) { Attempt = attempt };

    private static ImageState Given(params object[] facts) => facts.Aggregate(ImageState.Initial, ImageState.Fold);

    private static CopiedImage CopyOf(string digest) => new(digest, "m", [], [], 1, 1, 0, TimeSpan.Zero);

    private static string Digest(char digit) => "sha256:" + new string(digit, 64);
}
