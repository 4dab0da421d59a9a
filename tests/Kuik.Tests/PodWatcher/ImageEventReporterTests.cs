using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Kubernetes;
using Kuik.PodWatcher;
using Xunit;

namespace Kuik.Tests.PodWatcher;

public sealed class ImageEventReporterTests
{
    private const string Nginx = "docker.io/library/nginx:1.27";
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly ObjectMeta Resource = new() { Name = "docker.io-library-nginx-1.27", Uid = "uid-of-the-resource" };
    private static readonly RequestedByPod Requested = new(Nginx, "nginx:1.27", "u", Noon);
    private static readonly ImageFetchFailed Failed = new(Nginx, "refused", "docker.io refused access", false, Noon.AddHours(1), Noon);
    private static readonly PodImage Use = new("web", Nginx, "nginx:1.27");
    private static readonly LiveUser Waiting = new("u", "apps", "web-1", [Use], [], "apps/default") { Phase = "Pending" };

    private static readonly ImageCached Cached = new(
        Nginx, "sha256:" + new string('a', 64), "application/vnd.oci.image.index.v1+json", ["linux/amd64"], [], 59_034_828, 1_048_576, 0,
        TimeSpan.FromSeconds(3.25), Noon);

    public static TheoryData<string, string?, string?, bool> Pods => new()
    {
        { "one that waits for its image", "Pending", null, true },
        { "one without a status", null, null, true },
        { "one whose next container has no image yet", "Running", null, true },
        { "one that has its image", "Running", "sha256:aa", false },
        { "one that has ended", "Failed", null, false },
    };

    [Fact]
    public void A_copy_is_reported_once_with_size_and_origin()
    {
        var happened = Assert.Single(Reported(Noon, Requested, Cached));

        Assert.Equal(("Normal", "Cached", true), (happened.Type, happened.Reason, happened.IsOnce));
        Assert.Equal("Copied in 3.3 s: 56.3MiB (linux/amd64), 1.0MiB of it from docker.io.", happened.Message);
        Assert.Equal(("default", Noon, 1), (happened.Metadata.Namespace, happened.LastTimestamp, happened.Count));
        Assert.Equal(
            new ObjectReference("kuik.enix.io/v1alpha1", "CachedImage", null, Resource.Name!, Resource.Uid!), happened.InvolvedObject);
    }

    [Fact]
    public void Failures_with_the_same_cause_are_one_event_that_counts_and_another_cause_is_another_one()
    {
        var first = Assert.Single(Reported(Noon, Requested, Failed));
        var second = Assert.Single(Reported(Noon.AddMinutes(2), Requested, Failed, Failed with { FailedAt = Noon.AddMinutes(2) }));
        var other = Assert.Single(Reported(Noon, Requested, Failed, Failed with { Kind = "unreachable" }));

        Assert.Equal(("Warning", "AccessDenied", "docker.io refused access"), (first.Type, first.Reason, first.Message));
        Assert.Equal((first.Metadata.Name, 2, Noon.AddMinutes(2)), (second.Metadata.Name, second.Count, second.LastTimestamp));
        Assert.NotEqual(first.Metadata.Name, other.Metadata.Name);
        Assert.Equal("OriginUnreachable", other.Reason);
    }

    [Fact]
    public void A_moved_tag_and_an_origin_without_the_image_are_reported_once_each()
    {
        var moved = new TagMoved(
            Nginx, Cached.Digest, "sha256:bb", "m", ["linux/amd64"], [], 2048, 1024, 0, TimeSpan.FromSeconds(1), Noon.AddHours(1));
        var gone = new OriginChecked(Nginx, OriginAnswers.Gone, 0, Noon.AddHours(1)) { Reason = "docker.io has no such tag" };

        var move = Assert.Single(Reported(Noon.AddHours(1), Requested, Cached, moved));
        var absence = Assert.Single(Reported(Noon.AddHours(1), Requested, Cached, gone));

        Assert.Equal(("Normal", "TagMoved"), (move.Type, move.Reason));
        Assert.StartsWith(
            $"The tag names sha256:bb now, and named {Cached.Digest} before. Copied in 1 s", move.Message, StringComparison.Ordinal);
        Assert.Equal(("Warning", "GoneAtOrigin"), (absence.Type, absence.Reason));
        Assert.Equal("The cache keeps the image: docker.io has no such tag", absence.Message);
    }

    [Fact]
    public void A_loss_is_reported_once_with_its_sentence()
    {
        var lost = new ImageLost(Nginx, "the cache registry has lost the blob sha256:aa of library/nginx", Attempt: 0, Noon);

        var happened = Assert.Single(Reported(Noon, Requested, Cached, lost));

        Assert.Equal(("Warning", "Lost", true), (happened.Type, happened.Reason, happened.IsOnce));
        Assert.Equal("the cache registry has lost the blob sha256:aa of library/nginx; it is copied again.", happened.Message);
    }

    [Fact]
    public void An_expiry_is_reported_with_its_reason()
    {
        var unused = new ImageExpired(Nginx, Noon) { Reason = "unused", UnusedSince = Noon.AddDays(-30) };

        Assert.Equal("No pod has used the image since 2025-12-02 12:00:00 UTC; it is being removed from the cache.",
            Assert.Single(Reported(Noon, Requested, unused)).Message);
        Assert.Equal("Its CachedImage was deleted and no pod uses it; it is being removed from the cache.",
            Assert.Single(Reported(Noon, Requested, unused with { Reason = "forgotten" })).Message);
        Assert.StartsWith("The time of spec.expiresAt has come and no pod uses the image;",
            Assert.Single(Reported(Noon, Requested, unused with { Reason = "expires-at" })).Message, StringComparison.Ordinal);
        Assert.StartsWith("The cache exceeds Kuik:CacheLimit; no pod has used the image since 2025-12-02 12:00:00 UTC",
            Assert.Single(Reported(Noon, Requested, unused with { Reason = "cache-limit" })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_adopted_image_is_reported_as_found()
    {
        var adopted = new ImageAdopted(Nginx, "sha256:" + new string('a', 64), "m", ["linux/amd64"], [], 2048, 1, Noon);

        Assert.Equal("Found in the cache: 2.0KiB (linux/amd64).", Assert.Single(Reported(Noon, Requested, adopted)).Message);
    }

    [Fact]
    public void What_is_older_than_a_quarter_of_an_hour_is_no_news()
    {
        Assert.NotEmpty(Reported(Noon.AddMinutes(14), Requested, Cached));
        Assert.Empty(Reported(Noon.AddMinutes(15), Requested, Cached));
        Assert.Empty(Reported(Noon.AddMinutes(15), Requested, Failed));
        Assert.Null(ImageEventReporter.OnPod(View(Requested, Failed), Failed, Waiting, Noon.AddMinutes(15)));
    }

    [Fact]
    public void A_request_alone_is_not_reported() => Assert.Empty(Reported(Noon, Requested));

    [Theory]
    [MemberData(nameof(Pods))]
    public void A_pod_is_told_while_it_waits_for_the_image(string what, string? phase, string? digest, bool isTold)
    {
        var pod = Waiting with { Phase = phase, Images = [Use with { Digest = digest }] };

        var happened = ImageEventReporter.OnPod(View(Requested, Failed), Failed, pod, Noon);

        Assert.True(happened is not null == isTold, what);
    }

    [Fact]
    public void A_running_pod_with_an_image_volume_and_one_that_is_being_deleted_are_not_told()
    {
        var volume = Waiting with { Phase = "Running", Images = [Use with { Container = "volume data" }] };

        Assert.False(volume.WaitsFor(Nginx));
        Assert.True((volume with { Phase = "Pending" }).WaitsFor(Nginx));
        Assert.False((Waiting with { DeletedAt = Noon }).WaitsFor(Nginx));
    }

    [Fact]
    public void A_pod_is_told_once_for_each_cause_with_the_sentence()
    {
        var first = ImageEventReporter.OnPod(View(Requested, Failed), Failed, Waiting, Noon)!;
        var later = Noon.AddMinutes(2);
        var again = ImageEventReporter.OnPod(View(Requested, Failed), Failed with { FailedAt = later }, Waiting, later)!;
        var other = ImageEventReporter.OnPod(View(Requested, Failed), Failed with { Kind = "gone" }, Waiting, Noon)!;

        Assert.Equal(("Warning", "ImageNotCached", true), (first.Type, first.Reason, first.IsOnce));
        Assert.Equal("Kuik cannot cache nginx:1.27: docker.io refused access", first.Message);
        Assert.Equal(("apps", new ObjectReference("v1", "Pod", "apps", "web-1", "u")), (first.Metadata.Namespace, first.InvolvedObject));
        Assert.Equal(first.Metadata.Name, again.Metadata.Name);
        Assert.NotEqual(first.Metadata.Name, other.Metadata.Name);
    }

    [Fact]
    public void A_pod_that_comes_long_after_the_failure_is_told()
    {
        var late = Noon.AddHours(5);

        var happened = ImageEventReporter.OnPod(View(Requested, Failed), Failed, Waiting with { CreatedAt = late }, late.AddMinutes(1));

        Assert.Equal(late, happened!.LastTimestamp);
    }

    [Theory]
    [InlineData(253)]
    [InlineData(20)]
    public void A_name_is_no_longer_than_the_API_allows(int length)
    {
        var name = KubernetesEvent.NameOf(new string('a', length - 1) + "b", "u", "cause");

        Assert.InRange(name.Length, 1, 253);
        Assert.Matches("^[a-z0-9.-]+[.][0-9a-f]{16}$", name);
    }

    [Fact]
    public void A_sentence_is_cut_at_a_thousand_characters()
    {
        var happened = Assert.Single(Reported(Noon, Requested, Failed with { Reason = new string('x', 3000) }));

        Assert.Equal(1024, happened.Message!.Length);
    }

    private static IEnumerable<KubernetesEvent> Reported(DateTimeOffset now, params object[] given) =>
        ImageEventReporter.OnResource(View(given), Resource, now);

    private static ImageView View(params object[] given)
    {
        ImageView? view = null;
        for (var i = 0; i < given.Length; i++)
            view = ImageView.Fold(view, StreamName.OfImage(Nginx), i + 1, given[i]);
        return view!;
    }
}
