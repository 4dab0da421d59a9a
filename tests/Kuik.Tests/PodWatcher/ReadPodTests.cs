using System.Text.Json;
using Kuik.Contracts;
using Kuik.PodWatcher;
using Xunit;

namespace Kuik.Tests.PodWatcher;

public sealed class ReadPodTests
{
    private static readonly string Long = new('c', 60);

    [Fact]
    public void Images_come_from_the_annotations_containers_first_then_init_containers()
    {
        var pod = Pod(
            new() { ["original-image-a"] = "nginx", ["original-image-b"] = "busybox:1.36", ["original-init-image-c"] = "alpine" },
            containers: [new("a", "localhost:7439/nginx"), new("b", "localhost:7439/busybox:1.36")],
            initial: [new("c", "localhost:7439/alpine")]);

        var read = ReadPod.Read(pod, [7439]);

        Assert.Equal(
            [new PodImage("a", "docker.io/library/nginx:latest", "nginx"),
                new PodImage("b", "docker.io/library/busybox:1.36", "busybox:1.36"),
                new PodImage("c", "docker.io/library/alpine:latest", "alpine")],
            read.Images);
    }

    [Fact]
    public void A_container_whose_name_is_too_long_for_a_key_is_found_by_its_hash()
    {
        var pod = Pod(new() { [Names.OriginalImageAnnotation(Long)] = "nginx" }, containers: [new(Long, "localhost:7439/nginx")]);

        Assert.Equal("docker.io/library/nginx:latest", Assert.Single(ReadPod.Read(pod, [7439]).Images).Image);
    }

    [Theory]
    [InlineData("localhost:7439/quay.io_8443/a/b:1", "quay.io:8443/a/b:1")]
    [InlineData("localhost:1313/nginx", "docker.io/library/nginx:latest")]
    public void An_image_without_annotation_is_read_back_from_the_local_reference(string local, string image)
    {
        var pod = Pod([], ephemeral: [new("debug", local)]);

        Assert.Equal([new PodImage("debug", image, image)], ReadPod.Read(pod, [7439, 1313]).Images);
    }

    [Theory]
    [InlineData("nginx")]
    [InlineData("localhost:5000/nginx")]   // a registry of the node, not node-proxy
    [InlineData(null)]
    public void An_image_that_was_not_rewritten_is_not_ours(string? image)
    {
        Assert.Empty(ReadPod.Read(Pod([], containers: [new("a", image)]), [7439]).Images);
    }

    [Theory]
    [InlineData("nginx", "docker.io/library/nginx:latest")]
    [InlineData("quay.io:8443/a/b:1", "quay.io:8443/a/b:1")]
    [InlineData("localhost:5000/nginx", null)]   // a registry of the node
    [InlineData("localhost:7439/nginx", "docker.io/library/nginx:latest")]
    [InlineData("NGINX", null)]
    [InlineData(null, null)]
    public void Where_runtimes_pull_through_a_mirror_an_image_counts_as_it_is_written(string? written, string? image)
    {
        var images = ReadPod.Read(Pod([], containers: [new("a", written)]), [7439], takesAll: true).Images;

        Assert.Equal(image, images.SingleOrDefault()?.Image);
    }

    [Fact]
    public void Where_annotation_and_container_disagree_both_images_count_as_used()
    {
        var pod = Pod(new() { ["original-image-a"] = "nginx:1" }, containers: [new("a", "localhost:7439/nginx:2")]);

        Assert.Equal(["docker.io/library/nginx:1", "docker.io/library/nginx:2"],
            ReadPod.Read(pod, [7439]).Images.Select(image => image.Image));
    }

    [Fact]
    public void A_port_behind_a_dash_as_v1_wrote_it_is_no_disagreement()
    {
        var pod = Pod(new() { ["original-image-a"] = "reg.io:5000/team/app:1" },
            containers: [new("a", "localhost:7439/reg.io-5000/team/app:1")]);

        Assert.Equal("reg.io:5000/team/app:1", Assert.Single(ReadPod.Read(pod, [7439]).Images).Image);
    }

    [Fact]
    public void An_annotation_that_cannot_be_parsed_does_not_affect_the_other_images()
    {
        var pod = Pod(new() { ["original-image-a"] = "no such:::thing", ["original-image-b"] = "nginx" },
            containers: [new("a", "x"), new("b", "x")]);

        Assert.Equal("b", Assert.Single(ReadPod.Read(pod, [7439]).Images).Container);
    }

    [Fact]
    public void The_image_of_a_volume_counts_as_used_by_its_annotation_or_by_its_reference()
    {
        var pod = Pod(new() { [Names.OriginalVolumeImageAnnotation("model")] = "quay.io/models/llama:7b" });
        pod = pod with
        {
            Spec = pod.Spec! with
            {
                Volumes =
                [
                    new("model", new("localhost:7439/quay.io/models/llama:7b")), new("data", new("localhost:7439/quay.io_8443/data:1")),
                    new("plain", new("nginx:1")), new("empty", new(null)), new("configuration", null),
                ],
            },
        };

        var (rewritten, all) = (ReadPod.Read(pod, [7439]).Images, ReadPod.Read(pod, [7439], takesAll: true).Images);

        PodImage[] expected =
        [
            new("volume model", "quay.io/models/llama:7b", "quay.io/models/llama:7b"),
            new("volume data", "quay.io:8443/data:1", "quay.io:8443/data:1"),
        ];
        Assert.Equal(expected, rewritten);
        Assert.Equal([.. expected, new PodImage("volume plain", "docker.io/library/nginx:1", "nginx:1")], all);
    }

    [Fact]
    public void The_volumes_of_a_pod_are_read_from_what_Kubernetes_sends()
    {
        using var review = JsonDocument.Parse(File.ReadAllText(
            Path.Combine(AppContext.BaseDirectory, "Webhook/golden/kubernetes-1.36-deployment-create/review.json")));
        var list = $$"""{"metadata":{"resourceVersion":"1"},"items":[{{review.RootElement.GetProperty("request").GetProperty("object").GetRawText()}}]}""";

        var pod = JsonSerializer.Deserialize(list, PodJson.Default.ResourceListPod)!.Items![0] with { Metadata = Meta([]) };

        Assert.Contains(new PodImage("volume m", "ghcr.io/team/model:1", "ghcr.io/team/model:1"),
            ReadPod.Read(pod, [7439], takesAll: true).Images);
    }

    [Fact]
    public void A_pod_has_its_own_pull_secrets_and_an_account()
    {
        var pod = new Pod
        {
            Metadata = Meta([]),
            Spec = new PodSpec(null, [], null, null, [new("one"), new(null), new("one"), new("two")])
        };

        var read = ReadPod.Read(pod, [7439]);

        Assert.Equal(["one", "two"], read.PullSecrets);
        Assert.Equal("apps/default", read.Account);
    }

    private static Pod Pod(Dictionary<string, string> annotations, Container[]? containers = null, Container[]? initial = null,
        Container[]? ephemeral = null) =>
        new() { Metadata = Meta(annotations), Spec = new PodSpec("web", containers, initial, ephemeral, null) };

    private static PodMeta Meta(Dictionary<string, string> annotations) =>
        new() { Uid = "u", Namespace = "apps", Name = "web-1", Annotations = annotations };

    [Fact]
    public void A_pod_is_read_with_its_node_top_controller_account_times_and_the_digests_that_it_runs()
    {
        const string json = """
            {"metadata":{"name":"web-5d4f-x","namespace":"apps","uid":"u","resourceVersion":"17","creationTimestamp":"2026-01-01T12:00:00Z",
              "labels":{"pod-template-hash":"5d4f"},"annotations":{"original-image-web":"nginx"},
              "ownerReferences":[{"kind":"ReplicaSet","name":"web-5d4f","controller":true}],"managedFields":[{"manager":"m","fieldsV1":{"f:spec":{}}}]},
             "spec":{"nodeName":"n1","serviceAccountName":"puller","containers":[{"name":"web","image":"localhost:7439/nginx"}]},
             "status":{"phase":"Running","containerStatuses":[{"name":"web","imageID":"docker-pullable://nginx@sha256:aa"}]} }
            """;

        var pod = ReadPod.Read(JsonSerializer.Deserialize(json, PodJson.Default.Pod)!, [7439]);

        Assert.Equal(("n1", "Deployment", "web", "apps/puller", "Running", 17L),
            (pod.Node, pod.OwnerKind, pod.OwnerName, pod.Account, pod.Phase, pod.Version));
        Assert.Equal(new DateTimeOffset(2026, 1, 1, 12, 0, 0, TimeSpan.Zero), pod.CreatedAt);
        Assert.Equal([new PodImage("web", "docker.io/library/nginx:latest", "nginx") { Digest = "sha256:aa" }], pod.Images);
        Assert.True(pod.IsDetailed);
    }

    [Theory]
    [InlineData("StatefulSet", "db", null, "StatefulSet", "db")]
    [InlineData("ReplicaSet", "plain", "5d4f", "ReplicaSet", "plain")]
    [InlineData("ReplicaSet", "web-5d4f", null, "ReplicaSet", "web-5d4f")]
    public void A_controller_that_is_not_a_deployments_is_named_as_it_is(string kind, string name, string? hash, string ownerKind,
        string ownerName)
    {
        var labels = hash is null ? null : new Dictionary<string, string> { ["pod-template-hash"] = hash };
        var meta = new PodMeta
        {
            Name = "p",
            Namespace = "apps",
            Uid = "u",
            Labels = labels,
            OwnerReferences = [new("Node", "n", null), new(kind, name, true)]
        };

        var pod = ReadPod.Read(new Pod { Metadata = meta }, [7439]);

        Assert.Equal((ownerKind, ownerName), (pod.OwnerKind, pod.OwnerName));
    }
}
