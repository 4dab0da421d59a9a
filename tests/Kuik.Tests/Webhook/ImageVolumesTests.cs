using System.Text.Json.Nodes;
using Kuik.Contracts;
using Kuik.Webhook;
using Xunit;

namespace Kuik.Tests.Webhook;

/// <summary>Volumes whose content is an image (<c>spec.volumes[].image</c>): the kubelet pulls it as it pulls a container's.</summary>
public sealed class ImageVolumesTests
{
    [Fact]
    public void An_image_volume_is_rewritten_in_its_place_and_its_original_kept()
    {
        var pod = Pod("""[{"name":"cfg","emptyDir":{}},{"name":"model","image":{"reference":"quay.io/models/llama:7b","pullPolicy":"IfNotPresent","tomorrow":1}}]""");

        var patched = JsonPatch.Apply(pod, Decide(pod).Patch);

        Assert.Equal(
            """[{"name":"cfg","emptyDir":{}},{"name":"model","image":{"reference":"localhost:7439/quay.io/models/llama:7b","pullPolicy":"IfNotPresent","tomorrow":1}}]""",
            patched["spec"]!["volumes"]!.ToJsonString());
        Assert.Equal("quay.io/models/llama:7b", (string?)patched["metadata"]!["annotations"]!["original-volume-image-model"]);
    }

    [Theory]
    [InlineData("""{"reference":"nginx:1"}""", Outcome.Rewritten)]
    [InlineData("""{"reference":"nginx:1","pullPolicy":"IfNotPresent"}""", Outcome.Rewritten)]
    [InlineData("""{"reference":"nginx:1","pullPolicy":"Always"}""", Outcome.PullPolicyAlways)]
    [InlineData("""{"reference":"nginx:1","pullPolicy":"Never"}""", Outcome.PullPolicyNever)]
    [InlineData("""{"reference":"nginx:latest"}""", Outcome.PullPolicyAlways)]   // as of containers: Always where the tag is latest
    [InlineData("""{"reference":"nginx"}""", Outcome.PullPolicyAlways)]
    [InlineData("""{"reference":"localhost:5000/own:1"}""", Outcome.LocalRegistry)]
    [InlineData("""{"reference":"a:b:c"}""", Outcome.NoLocalName)]
    [InlineData("""{}""", Outcome.NoLocalName)]   // the API allows it
    [InlineData("""{"reference":5,"pullPolicy":[]}""", Outcome.NoLocalName)]
    [InlineData("7", Outcome.NoLocalName)]
    public void The_rules_are_those_of_containers(string image, Outcome outcome) =>
        Assert.Equal(outcome,
            Assert.Single(Decide(Pod($$"""[{"name":"model","image":{{image}}}]""")).Containers, c => c.Container.List == "volumes")
                .Outcome);

    [Theory]
    [InlineData("""[{"name":"a","emptyDir":{}},null,5,{"name":"b","image":null},[]]""")]
    [InlineData("7")]
    [InlineData("null")]
    public void A_volume_that_is_no_image_is_not_looked_at(string volumes) =>
        Assert.DoesNotContain(Decide(Pod(volumes)).Containers, container => container.Container.List == "volumes");

    [Fact]
    public void A_volume_and_containers_of_all_kinds_with_the_same_name_have_annotations_of_their_own()
    {
        var pod = Pod("""[{"name":"web","image":{"reference":"volume:1"}}]""");
        pod["spec"]!["containers"] = new JsonArray(new JsonObject { ["name"] = "web", ["image"] = "container:1" },
            new JsonObject { ["name"] = "volume-image-web", ["image"] = "odd:1" });
        pod["spec"]!["initContainers"] = new JsonArray(new JsonObject { ["name"] = "web", ["image"] = "init:1" });

        var annotations = JsonPatch.Apply(pod, Decide(pod).Patch)["metadata"]!["annotations"]!.AsObject();

        Assert.Equal("init:1", (string?)annotations["original-init-image-web"]);
        Assert.Equal("container:1", (string?)annotations["original-image-web"]);
        Assert.Equal("odd:1", (string?)annotations["original-image-volume-image-web"]);
        Assert.Equal("volume:1", (string?)annotations["original-volume-image-web"]);
    }

    [Fact]
    public void Volumes_that_would_share_an_annotation_leave_the_pod_alone()
    {
        var pod = Pod("""[{"name":"m","image":{"reference":"a:1"}},{"name":"m","image":{"reference":"b:1"}}]""");

        Assert.Equal("two containers would share the annotation original-volume-image-m", Decide(pod).LeftAlone);
    }

    [Fact]
    public void An_update_leaves_them_because_Kubernetes_lets_none_change_them()
    {
        var old = Pod("""[{"name":"model","image":{"reference":"quay.io/models/llama:7b"}}]""");
        old["metadata"]!["annotations"] = new JsonObject { [Names.RewriteAnnotation] = "true" };
        var pod = old.DeepClone();
        pod["metadata"]!["labels"] = new JsonObject { ["a"] = "b" };

        Assert.Empty(RewritePod.Decide(Review.Of("UPDATE", pod, old), new RewriteOptions()).Patch);
    }

    [Fact]
    public void A_pod_of_more_containers_and_volumes_than_any_node_runs_is_left_alone_without_a_look()
    {
        var (most, more) = (Pod("[]"), Pod("[]"));
        most["spec"]!["volumes"] =
            new JsonArray([.. Enumerable.Range(0, PodImages.Most - 1)
                .Select(i => new JsonObject { ["name"] = $"v{i}", ["emptyDir"] = new JsonObject() })]);
        more["spec"]!["volumes"] =
            new JsonArray([.. Enumerable.Range(0, PodImages.Most)
                .Select(i => new JsonObject { ["name"] = $"v{i}", ["emptyDir"] = new JsonObject() })]);

        Assert.Null(Decide(most).LeftAlone);
        var decision = Decide(more);
        Assert.Equal("it has more than 5000 containers and volumes", decision.LeftAlone);
        Assert.Equal((PodImages.Most + 1, 0, 0), (decision.Skipped, decision.Containers.Count, decision.Patch.Count));
    }

    private static PodDecision Decide(JsonNode pod) => RewritePod.Decide(Review.Of("CREATE", pod), new RewriteOptions());

    private static JsonObject Pod(string volumes) => new()
    {
        ["metadata"] = new JsonObject(),
        ["spec"] = new JsonObject
        {
            ["containers"] = new JsonArray(new JsonObject { ["name"] = "web", ["image"] = "nginx:1" }),
            ["volumes"] = JsonNode.Parse(volumes)
        },
    };
}
