using System.Text.Json.Nodes;
using Xunit;

namespace Kuik.IntegrationTests.Webhook;

/// <summary>
/// Pods made through a real kube-apiserver that asks the webhook over HTTPS. It is 1.20, which has no ephemeral containers:
/// those are proven with recorded AdmissionReviews (Kuik.Tests, Webhook/golden).
/// </summary>
public sealed class PodsInKubernetesTests(RegisteredWebhook registered) : IClassFixture<RegisteredWebhook>
{
    private const string Digest = "sha256:5b16a13a9ed9e4d1d7f1e4f5c0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3";

    [Fact]
    public async Task The_pod_of_a_ReplicaSet_is_rewritten_with_label_and_annotations()
    {
        var pod = JsonNode.Parse($$"""
            {
              "apiVersion": "v1", "kind": "Pod",
              "metadata": {
                "generateName": "web-6d9f7c8b5-", "namespace": "{{registered.Namespace}}", "labels": {"app": "web"}, "annotations": {"example.com/a.b": "/"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-6d9f7c8b5", "uid": "f2c0a8de-7d8c-4b7d-8f6e-1a2b3c4d5e6f", "controller": true}]
              },
              "spec": {
                "initContainers": [{"name": "migrate", "image": "registry.example.com:5000/team/app:2.0"}],
                "containers": [
                  {"name": "web", "image": "nginx:1.27", "ports": [{"containerPort": 80}]},
                  {"name": "pinned", "image": "quay.io/team/pinned@{{Digest}}"},
                  {"name": "latest", "image": "nginx"},
                  {"name": "own", "image": "localhost:5000/own:1"},
                  {"name": "broken", "image": "not:an:image"}
                ]
              }
            }
            """)!;

        var created = await registered.Create(pod);

        Assert.Equal(
            ["localhost:7439/nginx:1.27", $"localhost:7439/quay.io/team/pinned@{Digest}", "nginx", "localhost:5000/own:1", "not:an:image"],
            created["spec"]!["containers"]!.AsArray().Select(container => (string?)container!["image"]));
        Assert.Equal("localhost:7439/registry.example.com_5000/team/app:2.0", (string?)created["spec"]!["initContainers"]![0]!["image"]);
        AssertSame("""{"app":"web","kuik.enix.io/managed":"true"}""", created["metadata"]!["labels"]);
        AssertSame($$"""
            {"example.com/a.b":"/","kuik.enix.io/rewrite-images":"true","original-image-web":"nginx:1.27","original-image-pinned":"quay.io/team/pinned@{{Digest}}",
             "original-init-image-migrate":"registry.example.com:5000/team/app:2.0"}
            """, created["metadata"]!["annotations"]);
        Assert.Equal(80, (int?)created["spec"]!["containers"]![0]!["ports"]![0]!["containerPort"]);
    }

    [Fact]
    public async Task Another_image_of_a_rewritten_pod_is_rewritten_too_and_other_updates_change_nothing()
    {
        await registered.Create(registered.Pod("updated", "nginx:1.27"));

        await registered.Kubernetes.Kubectl("set", "image", "pod/updated", "web=nginx:1.28", "-n", registered.Namespace);
        var afterImage = await registered.Get("updated");
        await registered.Kubernetes.Kubectl("label", "pod/updated", "a=b", "-n", registered.Namespace);
        var afterLabel = await registered.Get("updated");

        Assert.Equal("localhost:7439/nginx:1.28", (string?)afterImage["spec"]!["containers"]![0]!["image"]);
        Assert.Equal("nginx:1.28", (string?)afterImage["metadata"]!["annotations"]!["original-image-web"]);
        AssertSame(afterImage["spec"]!.ToJsonString(), afterLabel["spec"]);
        AssertSame(afterImage["metadata"]!["annotations"]!.ToJsonString(), afterLabel["metadata"]!["annotations"]);
    }

    [Fact]
    public async Task A_pod_older_than_Kuik_keeps_its_image_when_it_is_labelled_or_marked_and_is_rewritten_at_its_next_image()
    {
        registered.Webhook.Kill();
        await registered.Create(registered.Pod("older", "nginx:1.27"));
        await registered.Webhook.Restart();
        await registered.UntilAsked();

        await registered.Kubernetes.Kubectl("label", "pod/older", "a=b", "-n", registered.Namespace);
        await registered.Kubernetes.Kubectl("annotate", "--overwrite", "pod/older", "kuik.enix.io/rewrite-images=true", "-n",
            registered.Namespace);
        var annotated = await registered.Get("older");
        await registered.Kubernetes.Kubectl("set", "image", "pod/older", "web=nginx:1.28", "-n", registered.Namespace);
        var changed = await registered.Get("older");

        Assert.Equal("nginx:1.27", (string?)annotated["spec"]!["containers"]![0]!["image"]);   // another one would restart its container
        AssertSame("""{"a":"b"}""", annotated["metadata"]!["labels"]);
        AssertSame("""{"kuik.enix.io/rewrite-images":"true"}""", annotated["metadata"]!["annotations"]);
        Assert.Equal("localhost:7439/nginx:1.28", (string?)changed["spec"]!["containers"]![0]!["image"]);
        AssertSame("""{"a":"b","kuik.enix.io/managed":"true"}""", changed["metadata"]!["labels"]);
        AssertSame("""{"kuik.enix.io/rewrite-images":"true","original-image-web":"nginx:1.28"}""", changed["metadata"]!["annotations"]);
    }

    [Fact]
    public async Task A_pod_keeps_its_images_when_it_is_touched_after_the_settings_have_changed()
    {
        var pod = registered.Pod("settings", "nginx:1.27");
        pod["spec"]!["containers"]![0]!["imagePullPolicy"] = "Always";   // left alone until the settings change
        await registered.Create(pod);

        await registered.WithSettings(new() { ["Kuik:Webhook:IgnorePullPolicyAlways"] = "false" }, async () =>
        {
            await registered.Kubernetes.Kubectl("label", "pod/settings", "leader=yes", "-n", registered.Namespace);

            Assert.Equal("nginx:1.27", (string?)(await registered.Get("settings"))["spec"]!["containers"]![0]!["image"]);
        });
    }

    [Fact]
    public async Task A_critical_pod_is_left_alone_in_any_namespace_by_the_priority_that_Kubernetes_gives_it()
    {
        var pod = registered.Pod("network-plugin", "nginx:1.27");
        pod["spec"]!["priorityClassName"] = "system-node-critical";

        var created = await registered.Create(pod);

        Assert.Equal("nginx:1.27", (string?)created["spec"]!["containers"]![0]!["image"]);
        Assert.True((int?)created["spec"]!["priority"] >= 2_000_000_000);
    }

    [Fact]
    public async Task Without_the_webhook_pods_are_admitted_unchanged()
    {
        registered.Webhook.Kill();

        var created = await registered.Create(registered.Pod("alone", "nginx:1.27"));

        Assert.Equal("nginx:1.27", (string?)created["spec"]!["containers"]![0]!["image"]);
        Assert.Null(created["metadata"]!["labels"]);
        Assert.Null(created["metadata"]!["annotations"]);
        await registered.Webhook.Restart();
        await registered.UntilAsked();
    }

    [Fact]
    public async Task A_dry_run_shows_the_rewritten_pod_and_makes_none()
    {
        var shown = await registered.Create(registered.Pod("dry", "nginx:1.27"), "--dry-run=server");

        Assert.Equal("localhost:7439/nginx:1.27", (string?)shown["spec"]!["containers"]![0]!["image"]);
        Assert.NotEqual(0, (await registered.Kubernetes.TryKubectl(["get", "pod", "dry", "-n", registered.Namespace])).ExitCode);
    }

    [Fact]
    public async Task A_pod_that_opts_out_is_left_alone()
    {
        var pod = registered.Pod("opted-out", "nginx:1.27");
        pod["metadata"]!["labels"] = new JsonObject { ["kube-image-keeper.enix.io/image-caching-policy"] = "ignore" };

        var created = await registered.Create(pod);

        Assert.Equal("nginx:1.27", (string?)created["spec"]!["containers"]![0]!["image"]);
        Assert.Null(created["metadata"]!["annotations"]);
    }

    [Theory]
    [InlineData("kuik-system", "nginx:1.27")]
    [InlineData("something-else", "localhost:7439/nginx:1.27")]
    public async Task Pods_of_Kuik_itself_are_left_alone(string space, string image)
    {
        // From 1.21 on the API server sets this label to the namespace's name, and takes no other value; 1.20 has no such label, and is
        // given it here.
        await registered.Kubernetes.NewNamespace(space);
        await registered.Kubernetes.Kubectl("label", "--overwrite", "namespace", space, $"kubernetes.io/metadata.name={space}");

        // The API server learns of a namespace's labels in the background.
        await Testing.Eventually.True(
            async () => (string?)(
                await registered.Create(registered.Pod("webhook", "nginx:1.27", space),
                    "--dry-run=server"))["spec"]!["containers"]![0]!["image"] == image,
            $"a pod of {space} has the image {image}");
    }

    [Fact]
    public async Task Reviews_sent_after_SIGTERM_are_answered_until_the_delay_is_over()
    {
        await registered.WithSettings(new() { ["Kuik:Webhook:ShutdownDelay"] = "00:05:00" }, async () =>
        {
            var webhook = registered.Webhook;
            webhook.Process.Signal(15);
            using var http = new HttpClient { BaseAddress = webhook.Endpoint };
            await Testing.Eventually.True(
                async () =>
                {
                    using var ready = await http.GetAsync(new Uri("readyz", UriKind.Relative));
                    return ready.StatusCode == System.Net.HttpStatusCode.ServiceUnavailable;
                },
                "it is no longer ready");

            // The API server has its connections to it still, and opens new ones.
            for (var i = 0; i < 5; i++)
            {
                var created = await registered.Create(registered.Pod("late", "nginx:1.27"), "--dry-run=server");
                Assert.Equal("localhost:7439/nginx:1.27", (string?)created["spec"]!["containers"]![0]!["image"]);
            }
            Assert.False(webhook.Process.HasExited);
        });
    }

    private static void AssertSame(string expected, JsonNode? actual) =>
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(expected), actual), $"expected {expected}\nbut got {actual?.ToJsonString()}");
}
