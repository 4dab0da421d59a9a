using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Kubernetes;
using Kuik.PodWatcher;
using Xunit;

namespace Kuik.Tests.PodWatcher;

public sealed class ResourceCountsTests
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly Dictionary<string, ImageView> _views = [];
    private readonly Dictionary<string, string> _images = [];
    private readonly Dictionary<string, CachedImage> _resources = [];
    private readonly Dictionary<string, Repository> _repositories = [];
    private readonly Dictionary<string, LiveUser> _pods = [];

    [Fact]
    public void CachedImages_count_as_kubectl_shows_them()
    {
        Image("docker.io/library/a:1", Noon, isCached: true);
        Image("docker.io/library/b:1", Noon, isCached: true);
        Image("docker.io/library/c:1", Noon.AddHours(2), isCached: false);
        Image("docker.io/library/d:1", Noon.AddHours(1), isCached: false);
        _resources["b-1"] = Resource("b-1", "b:1", Noon.AddDays(30));
        _resources["odd"] = Resource("odd", "no such: image");
        _resources["new"] = Resource("new", "docker.io/library/e:1");

        var counts = Count();

        Assert.Equal(
            new Dictionary<(string, bool, bool), int>
            {
                [("Ready", true, false)] = 1,
                [("Ready", true, true)] = 1,
                [("Synchronizing", false, false)] = 2,
                [("Invalid", false, false)] = 1,
                [("", false, false)] = 1,
            },
            counts.Images);
        Assert.Equal(Noon.AddHours(1), counts.WaitingSince);
    }

    [Fact]
    public void Containers_count_by_the_state_of_their_image_and_those_without_a_CachedImage_do_not()
    {
        Image("docker.io/library/a:1", Noon, isCached: true);
        Image("docker.io/library/b:1", Noon, isCached: false);
        Image("docker.io/library/gone:1", Noon, isCached: true);
        _resources.Remove("gone-1");
        Pod("1", ("main", "docker.io/library/a:1"), ("side", "docker.io/library/b:1"), ("volume models", "docker.io/library/a:1"));
        Pod("2", ("main", "docker.io/library/a:1"), ("other", "docker.io/library/gone:1"), ("unknown", "docker.io/library/x:1"));

        Assert.Equal(new Dictionary<(string, bool), int> { [("Ready", true)] = 2, [("Synchronizing", false)] = 1 }, Count().Containers);
    }

    [Fact]
    public void Repositories_count_by_their_phase()
    {
        foreach (var (name, phase) in ((string, string?)[])[("a", "Ready"), ("b", "Ready"), ("c", "Pulling"), ("d", null)])
            _repositories[name] = new Repository
            {
                Metadata = new ObjectMeta { Name = name },
                Status = phase is null ? null : new RepositoryStatus(1, phase, null),
            };

        Assert.Equal(new Dictionary<string, int> { ["Ready"] = 2, ["Pulling"] = 1, [""] = 1 }, Count().Repositories);
    }

    [Fact]
    public void Without_anything_nothing_waits() => Assert.Null(Count().WaitingSince);

    private ResourceCounts Count() => ResourceCounts.Of(
        _resources, _repositories, _pods, _views.GetValueOrDefault, _images.GetValueOrDefault);

    private void Image(string image, DateTimeOffset requestedAt, bool isCached)
    {
        var name = image[(image.LastIndexOf('/') + 1)..].Replace(':', '-');
        object[] facts =
        [
            new RequestedByPod(image, image, "u", requestedAt), new ImageNamed(image, name, requestedAt),
            .. isCached ? [new ImageCached(image, "sha256:" + new string('a', 64), "m", [], [], 1, 1, 0, TimeSpan.Zero, requestedAt)]
                : Array.Empty<object>(),
        ];
        var (view, sequence) = ((ImageView?)null, 0L);
        foreach (var fact in facts)
            view = ImageView.Fold(view, StreamName.OfImage(image), ++sequence, fact);
        _views[image] = view!;
        _images[name] = image;
        _resources[name] = Resource(name, image);
    }

    private void Pod(string uid, params (string Container, string Image)[] images) => _pods[uid] = new LiveUser(
        uid, "apps", "web-" + uid, [.. images.Select(use => new PodImage(use.Container, use.Image, use.Image))], [], "apps/default");

    private static CachedImage Resource(string name, string image, DateTimeOffset? expiresAt = null) => new()
    {
        Metadata = new ObjectMeta { Name = name },
        Spec = new CachedImageSpec { SourceImage = image, ExpiresAt = expiresAt },
    };
}
