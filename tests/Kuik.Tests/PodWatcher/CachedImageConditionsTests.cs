using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Kubernetes;
using Kuik.PodWatcher;
using Xunit;

namespace Kuik.Tests.PodWatcher;

public sealed class CachedImageConditionsTests
{
    private const string Nginx = "docker.io/library/nginx:1.27";
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    /// <summary>Status, reason and minute of the four conditions after these events.</summary>
    public static TheoryData<string, object[]> Lives => new()
    {
        { "False Queued 0, False NotCopied 0, Unknown NotCached 0, False Unused 0", [Requested(0)] },
        { "False Copying 0, False NotCopied 0, Unknown NotCached 0, False Unused 0", [Requested(0), Started(1)] },
        { "True Cached 2, True Copied 2, Unknown GoneAtOrigin 3, False Unused 0", [Requested(0), Cached(2), Answered(3, "gone")] },
        { "True Cached 2, True Copied 2, Unknown NotCompared 3, False Unused 0", [Requested(0), Cached(2), Answered(3, "refused")] },
        { "True Cached 2, True Copied 2, True SameAsOrigin 4, False Unused 0",
            [Requested(0), Cached(2), Answered(3, "gone"), Answered(4, "same")] },
        { "True Cached 2, True Copied 2, True SameAsOrigin 2, False Unused 0", [Requested(0), Cached(2), Answered(3, "same"), Moved(4)] },
        { "True Cached 2, True Copied 2, True SameAsOrigin 4, False Unused 0", [Requested(0), Cached(2), Answered(3, "gone"), Moved(4)] },
        { "False RateLimited 0, False NotCopied 0, Unknown NotCached 0, False Unused 0", [Requested(0), Started(1), Failed(2)] },
        { "False Copying 0, False NotCopied 0, Unknown NotCached 0, False Unused 0", [Requested(0), Started(1), Failed(2), Started(3)] },
        { "True Cached 4, True Copied 4, True SameAsOrigin 4, False Unused 0",
            [Requested(0), Started(1), Failed(2), Started(3), Cached(4)] },
        { "True Cached 1, True Copied 1, True SameAsOrigin 1, False Unused 2", [Requested(0), Cached(1), Unused(2)] },
        { "True Cached 1, True Copied 1, True SameAsOrigin 1, False Unused 3", [Requested(0), Cached(1), Unused(2), UsedAgain(3)] },
        { "True Cached 1, True Copied 1, True SameAsOrigin 1, False Retained 2", [Requested(0), Cached(1), Unused(2), Retained(3)] },
        { "False Expired 3, False BeingRemoved 3, Unknown NotCached 3, False Unused 2", [Requested(0), Cached(1), Unused(2), Expired(3)] },
        { "False Expired 0, False NotCopied 0, Unknown NotCached 0, False Unused 2", [Requested(0), Failed(1), Unused(2), Expired(3)] },
        { "False Lost 2, False NotCopied 2, Unknown NotCached 2, False Unused 0",
            [Requested(0), Cached(1), new ImageLost(Nginx, "the cache registry has lost a blob", Attempt: 0, At(2))] },
        { "False Queued 3, False NotCopied 3, Unknown NotCached 3, False Unused 4",
            [Requested(0), Cached(1), Unused(2), Expired(3), Requested(4)] },
        { "False Queued 5, False NotCopied 5, Unknown NotCached 5, False Unused 5",
            [Requested(0), Cached(1), Unused(2), Expired(3), new ImageEvicted(Nginx, At(4)), Requested(5)] },
    };

    public static TheoryData<string, string> Kinds => new()
    {
        { "gone", "NotFound" }, { "refused", "AccessDenied" }, { "rate-limited", "RateLimited" }, { "broken", "InvalidContent" },
        { "unreachable", "OriginUnreachable" }, { "cache", "CacheUnavailable" }, { "internal", "InternalError" },
        { "of a later version", "CopyFailed" },
    };

    [Theory]
    [MemberData(nameof(Lives))]
    public void Status_reason_and_time_follow_from_the_log(string expected, object[] given)
    {
        var conditions = Of(View(given));

        Assert.Equal(["Ready", "Cached", "UpToDate", "InUse"], conditions.Select(condition => condition.Type));
        Assert.Equal(expected, string.Join(", ", conditions.Select(Short)));
    }

    [Fact]
    public void Later_failures_move_no_time()
    {
        object[] given = [Requested(0), Started(1), Failed(2)];
        var first = Of(View(given));

        var later = Of(View([.. given, Started(30), Failed(31), Started(60), Failed(61)]));

        Assert.Equal(first, later);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_failed_copy_is_the_reason_with_its_sentence(string kind, string reason)
    {
        var ready = Of(View(Requested(0), Started(1), Failed(2, kind)))[0];

        Assert.Equal(("False", reason, "no route to host"), (ready.Status, ready.Reason, ready.Message));
    }

    [Theory]
    [InlineData(1, "1 pod uses the image.")]
    [InlineData(12_000, "12000 pods use the image.")]
    public void An_image_that_pods_use_is_in_use_since_the_last_event_that_says_so(int count, string message)
    {
        var inUse = Of(View(Requested(0), Cached(1), Unused(2), UsedAgain(3)), count)[3];

        Assert.Equal(new ResourceCondition("InUse", "True", At(3), "UsedByPods", message), inUse);
    }

    [Theory]
    [InlineData(1, "No pod uses the image; the template of 1 workload does.")]
    [InlineData(12, "No pod uses the image; the template of 12 workloads does.")]
    public void An_image_that_only_templates_name_is_in_use(int workloads, string message)
    {
        var inUse = CachedImageConditions.From(View(Requested(0), Cached(1)), new CachedImageUse(null, 0) { WorkloadCount = workloads })[3];

        Assert.Equal(new ResourceCondition("InUse", "True", At(0), "UsedByWorkloads", message), inUse);
    }

    [Fact]
    public void A_second_request_of_an_image_in_use_moves_no_time()
    {
        var inUse = Of(View(Requested(0), Started(1), Failed(2, "refused"), Requested(3)), 1)[3];

        Assert.Equal("True UsedByPods 0", Short(inUse));
    }

    [Fact]
    public void An_image_named_by_its_digest_is_up_to_date_for_ever()
    {
        var image = "docker.io/library/nginx@sha256:" + new string('a', 64);
        var view = View(image, new RequestedByPod(image, image, "u", At(0)), Cached(1) with { Image = image });

        Assert.Equal("True NamedByDigest 1", Short(Of(view)[2]));
    }

    [Fact]
    public void A_platform_that_the_origin_does_not_have_is_named_and_fails_nothing()
    {
        var conditions = Of(View(Requested(0), Cached(1) with { MissingPlatforms = ["linux/s390x"] }));

        Assert.Equal(("True", "True", "PlatformsMissing"), (conditions[0].Status, conditions[1].Status, conditions[1].Reason));
        Assert.Equal("The cache holds 1.2KiB; the origin has no linux/s390x.", conditions[1].Message);
    }

    [Fact]
    public void An_invalid_reference_has_the_phase_Invalid_and_is_not_ready_with_the_sentence()
    {
        const string problem = "spec.sourceImage \"A:B:C\" is not an image reference: upper case";

        var status = ShowImage.Invalid(problem, Noon);

        Assert.Equal(("Invalid", false, problem), (status.Phase, status.IsCached, status.LastError));
        Assert.Equal(new ResourceCondition("Ready", "False", Noon, "InvalidReference", problem), status.Conditions![0]);
        Assert.Equal(["Ready", "Cached", "UpToDate", "InUse"], status.Conditions.Select(condition => condition.Type));
    }

    [Theory]
    [InlineData(0, "0B")]
    [InlineData(1023, "1023B")]
    [InlineData(1024, "1.0KiB")]
    [InlineData(59_034_828, "56.3MiB")]
    [InlineData(196_083_712, "187MiB")]
    [InlineData(1_288_490_189, "1.2GiB")]
    [InlineData(long.MaxValue, "8388608TiB")]
    public void A_size_has_three_digits_and_a_unit(long bytes, string text) => Assert.Equal(text, ByteSize.Format(bytes));

    private static string Short(ResourceCondition condition) =>
        $"{condition.Status} {condition.Reason} {(condition.LastTransitionTime!.Value - Noon).TotalMinutes}";

    private static IReadOnlyList<ResourceCondition> Of(ImageView view, int users = 0) =>
        CachedImageConditions.From(view, new CachedImageUse(null, users));

    private static DateTimeOffset At(int minutes) => Noon.AddMinutes(minutes);

    private static RequestedByPod Requested(int at) => new(Nginx, "nginx:1.27", "u", At(at));

    private static ImageFetchStarted Started(int at) => new(Nginx, "fetcher", At(at + 2), At(at));

    private static ImageFetchFailed Failed(int at, string kind = "rate-limited") =>
        new(Nginx, kind, "no route to host", true, At(at + 1), At(at));

    private static ImageUnused Unused(int at) => new(Nginx, At(at), At(at).AddDays(30));

    private static ImageUsedAgain UsedAgain(int at) => new(Nginx, "v", At(at));

    private static ImageRetained Retained(int at) => new(Nginx, At(at));

    private static ImageExpired Expired(int at) => new(Nginx, At(at));

    private static ImageCached Cached(int at) => new(
        Nginx, "sha256:" + new string('a', 64), "application/vnd.oci.image.index.v1+json", ["linux/amd64"], [], 1234, 1000, 234,
        TimeSpan.FromSeconds(3), At(at));

    private static OriginChecked Answered(int at, string answer) =>
        new(Nginx, answer, 0, At(at)) { Reason = answer == "same" ? null : "x" };

    private static TagMoved Moved(int at) => new(
        Nginx, "sha256:" + new string('a', 64), "sha256:" + new string('b', 64), "m", [], [], 1, 1, 0, TimeSpan.Zero, At(at));

    private static ImageView View(params object[] given) => View(Nginx, given);

    private static ImageView View(string image, params object[] given)
    {
        ImageView? view = null;
        for (var i = 0; i < given.Length; i++)
            view = ImageView.Fold(view, StreamName.OfImage(image), i + 1, given[i]);
        return view!;
    }
}
