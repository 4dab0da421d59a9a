using System.Text.Json;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Kubernetes;
using Kuik.PodWatcher;
using Xunit;

namespace Kuik.Tests.PodWatcher;

/// <summary>The forms in which pod-watcher keeps views and resources, of which a large cluster has tens of thousands.</summary>
public class KeptResourcesTests
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly string Digest = "sha256:" + new string('a', 64);

    [Fact]
    public void A_kept_view_has_the_same_values_and_one_instance_of_each_text()
    {
        var lists = new Pool<IReadOnlyList<string>>(new ListComparer<string>());
        var (read, other) = (Read(), Read());

        var (kept, second) = (read.WithSharedTexts(lists), other.WithSharedTexts(lists));

        Assert.Equal(JsonSerializer.Serialize(read), JsonSerializer.Serialize(kept));
        Assert.Same(kept.Image, kept.Cached!.Image);
        Assert.Same(kept.Image, kept.State.Image);
        Assert.Same(kept.Image, second.Image);
        Assert.Same(kept.Cached.Digest, kept.State.Digest);
        Assert.Same(kept.Cached.MediaType, second.Cached!.MediaType);
        Assert.Same(kept.Cached.Platforms, second.Cached.Platforms);
    }

    [Fact]
    public void A_kept_repository_has_its_content_without_the_trees_of_its_managers()
    {
        var read = JsonSerializer.Deserialize("""
            {
              "apiVersion": "kuik.enix.io/v1alpha1", "kind": "Repository",
              "metadata": {"name": "r", "uid": "1", "resourceVersion": "7", "managedFields": [{"manager": "kuik", "fieldsV1": {"f:spec": {}}}]},
              "spec": {"name": "docker.io/library/nginx", "updateInterval": "1h"},
              "status": {"images": 1, "phase": "Ready", "conditions": [{"type": "Ready", "status": "True", "reason": "UpToDate", "message": "m"}]}
            }
            """, KubernetesJson.Default.Repository)!;

        var kept = read.ToKeep(new Pool<string>().Get);

        Assert.Equal(new ObjectMeta { Name = "r", Uid = "1", ResourceVersion = "7" }, kept.Metadata);
        Assert.Equal(read.Spec, kept.Spec);
        Assert.Equal(JsonSerializer.Serialize(read.Status), JsonSerializer.Serialize(kept.Status));
    }

    // As Marten reads it: every text is an instance of its own.
    private static ImageView Read()
    {
        var view = ImageView.Fold(null, "image/docker.io/library/nginx:1", 1,
            new RequestedByPod("docker.io/library/nginx:1", "nginx:1", "u", Noon));
        view = ImageView.Fold(view, view.Id, 2, new ImageFetchStarted(view.Image, "a", Noon, Noon) { Attempt = 1 });
        view = ImageView.Fold(view, view.Id, 3, new ImageCached(
            view.Image, Digest, "application/vnd.oci.image.index.v1+json", ["linux/amd64"], [], 1, 1, 0, TimeSpan.Zero,
            Noon)
        { Attempt = 1 });
        return JsonSerializer.Deserialize<ImageView>(JsonSerializer.Serialize(view))!;
    }
}
