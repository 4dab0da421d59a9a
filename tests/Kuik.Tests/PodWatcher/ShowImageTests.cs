using System.Text.Json;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Kubernetes;
using Kuik.PodWatcher;
using Xunit;

namespace Kuik.Tests.PodWatcher;

public sealed class ShowImageTests
{
    private const string Nginx = "docker.io/library/nginx:1.27";
    private const string Name = "docker.io-library-nginx-1.27";
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly RequestedByPod Requested = new(Nginx, "nginx:1.27", "u", Noon);
    private static readonly ImageFetchStarted Started = new(Nginx, "fetcher", Noon.AddMinutes(2), Noon);
    private static readonly ImageFetchFailed Failed = new(Nginx, "unreachable", "no route to host", true, Noon.AddMinutes(1), Noon);
    private static readonly ImageUnused Unused = new(Nginx, Noon, Noon.AddDays(30));

    private static readonly ImageCached Cached = new(
        Nginx, "sha256:" + new string('a', 64), "application/vnd.oci.image.index.v1+json", ["linux/amd64"], [], 1234, 1000, 234,
        TimeSpan.FromSeconds(3), Noon);

    public static TheoryData<string, bool, object[]> Lives => new()
    {
        { "Synchronizing", false, [Requested] },
        { "Pulling", false, [Requested, Started] },
        { "ErrImagePull", false, [Requested, Started, Failed] },
        { "Ready", true, [Requested, Started, Cached] },
        { "Terminating", true, [Requested, Cached, Unused, new ImageExpired(Nginx, Noon)] },
        { "Synchronizing", false, [Requested, Cached, Unused, new ImageExpired(Nginx, Noon), Requested] },
        { "Synchronizing", false, [Requested, Cached, Unused, new ImageExpired(Nginx, Noon), Requested, new ImageEvicted(Nginx, Noon)] },
        { "Synchronizing", false, [Requested, Cached, Unused, new ImageExpired(Nginx, Noon), new ImageEvicted(Nginx, Noon), Requested] },
    };

    [Theory]
    [MemberData(nameof(Lives))]
    public void The_phase_is_v1s(string phase, bool isCached, object[] given)
    {
        var status = Show(given)!.Status!;

        Assert.Equal(phase, status.Phase);
        Assert.Equal(isCached, status.IsCached);
    }

    [Fact]
    public void A_moved_tag_shows_its_new_digest_and_is_as_the_origin_has_it()
    {
        var moved = new TagMoved(
            Nginx, Cached.Digest, "sha256:" + new string('b', 64), "m", [], [], 99, 99, 0, TimeSpan.Zero, Noon.AddHours(1));

        var status = Show([Requested, Cached, moved])!.Status!;

        Assert.Equal(("Ready", new string('b', 64), 99L), (status.Phase, status.Digest, status.SizeInBytes));
        Assert.Equal((status.Digest, true, Noon.AddHours(1)), (status.UpstreamDigest, status.UpToDate, status.LastSeenUpstream));
    }

    [Fact]
    public void An_image_that_is_gone_at_its_origin_stays_ready_and_says_since_when_it_was_not_seen()
    {
        var gone = new OriginChecked(Nginx, OriginAnswers.Gone, 0, Noon.AddHours(1)) { Reason = "the origin has no such tag" };

        var status = Show([Requested, Cached, gone])!.Status!;

        Assert.Equal(("Ready", true, false), (status.Phase, status.IsCached, status.AvailableUpstream));
        Assert.Equal((null, null, "the origin has no such tag"), (status.UpToDate, status.UpstreamDigest, status.LastError));
        Assert.Equal((Noon, Noon.AddHours(1)), (status.LastSeenUpstream, status.LastSync));
    }

    [Fact]
    public void An_evicted_image_has_no_resource() =>
        Assert.Null(Show([Requested, Cached, Unused, new ImageExpired(Nginx, Noon), new ImageEvicted(Nginx, Noon)]));

    [Fact]
    public void A_cached_image_says_all_that_v1_said_and_more()
    {
        var image = ShowImage.Desired(View([Requested, Started, Cached]), Name, 2, ["apps/a", "apps/b"])!;

        Assert.Equal("""{"apiVersion":"kuik.enix.io/v1alpha1","kind":"CachedImage","metadata":{"name":"docker.io-library-nginx-1.27","labels":{"kuik.enix.io/repository":"docker.io-library-nginx"}},"spec":{"sourceImage":"nginx:1.27"},"status":{"isCached":true,"phase":"Ready","usedBy":{"pods":[{"namespacedName":"apps/a"},{"namespacedName":"apps/b"}],"count":2},"digest":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","upstreamDigest":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","upToDate":true,"availableUpstream":true,"lastSync":"2026-01-01T12:00:00Z","lastSeenUpstream":"2026-01-01T12:00:00Z","lastSuccessfulPull":"2026-01-01T12:00:00Z","sizeInBytes":1234,"size":"1.2KiB","shortDigest":"aaaaaaaaaaaa","mediaType":"application/vnd.oci.image.index.v1+json","platforms":["linux/amd64"]}}""",
            Written(image with { Status = image.Status! with { Conditions = null } }));
    }

    [Fact]
    public void Reported_pulls_are_shown_and_without_a_report_there_is_no_such_field()
    {
        var pulls = new ImagePullCount(Nginx, 12, Noon.AddHours(1), Noon.AddHours(2));

        var image = ShowImage.Desired(View([Requested, Cached]), Name, 0, [], pulls: pulls)!;

        Assert.Contains("""pulls":{"count":12,"last":"2026-01-01T13:00:00Z"}""", Written(image), StringComparison.Ordinal);
        Assert.DoesNotContain("pulls", Written(Show([Requested, Cached])!), StringComparison.Ordinal);
    }

    [Fact]
    public void A_platform_that_is_wanted_and_missing_is_shown_and_nothing_is_failed_for_it()
    {
        var status = Show([Requested, Started, Cached with { MissingPlatforms = ["linux/s390x"] }])!.Status!;

        Assert.Equal(["linux/s390x"], status.MissingPlatforms);
        Assert.Equal(("Ready", true, null), (status.Phase, status.IsCached, status.LastError));
    }

    [Fact]
    public void A_failure_says_why_and_when_it_is_tried_again_and_a_success_takes_that_back()
    {
        var failed = Show([Requested, Started, Failed])!.Status!;
        var cached = Show([Requested, Started, Failed, Started, Cached])!.Status!;

        Assert.Equal(("no route to host", Noon.AddMinutes(1), false), (failed.LastError, failed.NextRetry, failed.AvailableUpstream));
        Assert.Equal((null, null, true), (cached.LastError, cached.NextRetry, cached.AvailableUpstream));
    }

    [Theory]
    [InlineData("cache")]
    [InlineData("internal")]
    public void A_failure_of_our_own_says_nothing_about_the_origin(string kind) =>
        Assert.Null(Show([Requested, Started, Failed with { Kind = kind }])!.Status!.AvailableUpstream);

    [Fact]
    public void Only_an_unused_image_that_is_not_retained_has_a_time_to_expire()
    {
        Assert.Equal(Noon.AddDays(30), Show([Requested, Cached, Unused])!.Spec!.ExpiresAt);
        Assert.Null(Show([Requested, Cached, Unused, new ImageRetained(Nginx, Noon)])!.Spec!.ExpiresAt);
        Assert.Null(Show([Requested, Cached, Unused, new ImageUsedAgain(Nginx, "v", Noon)])!.Spec!.ExpiresAt);
        Assert.Null(ShowImage.Desired(View([Requested, Cached, Unused]), Name, 1, ["apps/a"])!.Spec!.ExpiresAt);
    }

    [Fact]
    public void What_the_api_gives_back_is_recognised_whatever_a_person_adds()
    {
        var desired = Show([Requested, Cached with { CachedAt = Noon.AddMilliseconds(123.456) },
            Unused with { ExpiresAt = Noon.AddMilliseconds(999) }])!;
        var actual = JsonSerializer.Deserialize(JsonSerializer.Serialize(desired, KubernetesJson.Default.CachedImage),
            KubernetesJson.Default.CachedImage)!;
        var edited = actual with
        {
            Metadata = actual.Metadata with
            {
                Uid = "u",
                ResourceVersion = "7",
                Labels = new Dictionary<string, string>(actual.Metadata.Labels!) { ["team"] = "web" }
            },
            Spec = actual.Spec! with { Retain = true },
        };

        foreach (var kept in new[] { edited, edited.WithManagers().ToKeep(text => text) })
        {
            Assert.True(ShowImage.Says(kept, desired));
            Assert.False(ShowImage.Says(kept, desired with { Status = desired.Status! with { LastError = "no route to host" } }));
            Assert.False(ShowImage.Says(kept with { Spec = edited.Spec with { SourceImage = "alpine" } }, desired));
            Assert.False(ShowImage.Says(kept with { Metadata = new ObjectMeta() }, desired));
        }
        Assert.False(ShowImage.Says(edited with { Status = null }, desired));
        Assert.False(ShowImage.Says((edited with { Status = null }).WithManagers().ToKeep(text => text), desired));
    }

    [Fact]
    public void Of_a_resource_that_is_followed_no_status_no_field_of_a_manager_and_no_foreign_label_is_kept()
    {
        var resource = Show([Requested, Cached])!;
        var kept = (resource with
        {
            Metadata = resource.Metadata with
            {
                Labels = new Dictionary<string, string>(resource.Metadata.Labels!) { ["team"] = "web" },
                Annotations = new Dictionary<string, string> { ["kubectl.kubernetes.io/last-applied-configuration"] = "{}" },
                ManagedFields = [new ManagedFields("kuik", "Apply", null)],
            },
        }).WithManagers().ToKeep(text => text);

        Assert.Null(kept.Status);
        Assert.NotNull(kept.StatusChecksum);
        Assert.Null(kept.Metadata.ManagedFields);
        Assert.Null(kept.Metadata.Annotations);
        Assert.Equal(resource.Metadata.Labels, kept.Metadata.Labels);
    }

    [Fact]
    public void A_persons_way_to_write_the_same_reference_is_left_as_it_is()
    {
        var desired = Show([Requested, Cached])!;
        var written = desired with
        {
            Spec = new CachedImageSpec { SourceImage = "docker.io/library/nginx:1.27" },
            Managers = new CachedImageManagers(true, "argocd", null, null),
        };

        Assert.True(ShowImage.Says(written, ShowImage.BesideAPersons(desired, written)));
        Assert.Null(ShowImage.BesideAPersons(desired, written).Spec!.SourceImage);
        Assert.Equal("nginx:1.27",
            ShowImage.BesideAPersons(desired, written with { Managers = written.Managers with { SourceImage = null } }).Spec!.SourceImage);
    }

    [Fact]
    public void An_expiry_that_a_person_set_is_not_overwritten_and_shown_where_it_is_missing()
    {
        var actual = Show([Requested, Cached, Unused])! with { Managers = new CachedImageManagers(true, null, null, "kubectl-edit") };
        actual = actual with { Spec = actual.Spec! with { ExpiresAt = Noon.AddYears(5) } };

        var beside = ShowImage.BesideAPersons(Show([Requested, Cached, Unused])!, actual);

        Assert.Null(beside.Spec!.ExpiresAt);
        Assert.True(ShowImage.SaysSpec(actual, beside));
        Assert.Equal(Noon.AddYears(5),
            Show([Requested, Cached, Unused, new ImageExpirySet(Nginx, Noon.AddYears(5), Noon)])!.Spec!.ExpiresAt);
        Assert.Equal(Noon.AddYears(5), Show([Requested, new ImageExpirySet(Nginx, Noon.AddYears(5), Noon)])!.Spec!.ExpiresAt);
    }

    [Fact]
    public void Workloads_are_shown_apart_from_pods_and_keep_the_image_from_expiring()
    {
        var shown = ShowImage.Desired(View([Requested, Cached, Unused]), Name, 0, [], 7, [new WorkloadName("CronJob", "apps/nightly")])!;

        Assert.Equal((0, 7), (shown.Status!.UsedBy!.Count, shown.Status.UsedBy.WorkloadCount));
        Assert.Equal([new WorkloadName("CronJob", "apps/nightly")], shown.Status.UsedBy.Workloads!);
        Assert.Null(shown.Spec!.ExpiresAt);
        Assert.Equal((null, null), (Show([Requested])!.Status!.UsedBy!.WorkloadCount, Show([Requested])!.Status!.UsedBy!.Workloads));
    }

    private static string Written(CachedImage image) =>
        JsonSerializer.Serialize(image, KubernetesJson.Default.CachedImage).Replace("\\u002B", "+", StringComparison.Ordinal);

    private static CachedImage? Show(object[] given) => ShowImage.Desired(View(given), Name, 0, []);

    private static ImageView View(object[] given)
    {
        ImageView? view = null;
        for (var i = 0; i < given.Length; i++)
            view = ImageView.Fold(view, StreamName.OfImage(Nginx), i + 1, given[i]);
        return view!;
    }
}
