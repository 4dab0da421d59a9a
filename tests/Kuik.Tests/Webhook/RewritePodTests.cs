using System.Text.Json;
using System.Text.Json.Nodes;
using Kuik.Contracts;
using Kuik.Webhook;
using Xunit;

namespace Kuik.Tests.Webhook;

/// <summary>Cases that the golden folders do not cover: unusual requests.</summary>
public sealed class RewritePodTests
{
    private static readonly RewriteOptions Options = new();

    [Theory]
    [InlineData("""{"metadata":{},"spec":{"containers":[{"name":"a","image":"nginx:1"}]}}""")]
    [InlineData("""{"metadata":{"labels":null,"annotations":null},"spec":{"containers":[{"name":"a","image":"nginx:1"}]}}""")]
    [InlineData("""{"metadata":{"labels":{},"annotations":{}},"spec":{"containers":[{"name":"a","image":"nginx:1"}]}}""")]
    public void Labels_and_annotations_are_added_whether_or_not_there_were_any(string text)
    {
        var pod = JsonNode.Parse(text)!;

        var patched = JsonPatch.Apply(pod, Decide("CREATE", pod).Patch);

        Assert.Equal("true", (string?)patched["metadata"]!["labels"]![Names.ManagedLabel]);
        Assert.Equal("true", (string?)patched["metadata"]!["annotations"]![Names.RewriteAnnotation]);
        Assert.Equal("nginx:1", (string?)patched["metadata"]!["annotations"]!["original-image-a"]);
        Assert.Equal("localhost:7439/nginx:1", (string?)patched["spec"]!["containers"]![0]!["image"]);
    }

    [Theory]
    [InlineData("""{"spec":{"containers":[{"name":"a","image":"nginx:1"}]}}""", "it has no metadata")]
    [InlineData("""{"metadata":{"labels":[]},"spec":{"containers":[{"name":"a","image":"nginx:1"}]}}""",
        "its labels or annotations are no map")]
    [InlineData("""{"metadata":{"annotations":"x"},"spec":{"containers":[{"name":"a","image":"nginx:1"}]}}""",
        "its labels or annotations are no map")]
    [InlineData("[]", "the request has no object")]
    [InlineData("null", "the request has no object")]
    public void What_is_no_pod_is_left_alone(string text, string reason)
    {
        var decision = Decide("CREATE", JsonNode.Parse(text));

        Assert.Empty(decision.Patch);
        Assert.Equal(reason, decision.LeftAlone);
    }

    [Theory]
    [InlineData("""{"metadata":{}}""")]
    [InlineData("""{"metadata":{},"spec":null}""")]
    [InlineData("""{"metadata":{},"spec":{"containers":{}}}""")]
    [InlineData("""{"metadata":{},"spec":{"containers":[1,null,"x",{"name":5,"image":{}}],"initContainers":7}}""")]
    public void Containers_that_are_none_stay_as_they_are(string text)
    {
        var decision = Decide("CREATE", JsonNode.Parse(text));

        Assert.All(decision.Containers, container => Assert.Null(container.Image));
        Assert.All(decision.Patch, operation => Assert.StartsWith("/metadata/", (string)operation!["path"]!, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("DELETE", "")]
    [InlineData("CONNECT", "")]
    [InlineData("", "")]
    [InlineData("CREATE", "binding")]
    [InlineData("CREATE", "eviction")]
    [InlineData("UPDATE", "status")]
    [InlineData("CREATE", "ephemeralcontainers")]
    public void What_is_neither_a_new_pod_nor_a_change_of_one_is_left_alone(string operation, string subResource)
    {
        var pod = Pod(("a", "nginx:1"));

        var decision = RewritePod.Decide(Review.Of(operation, pod, pod, subResource), Options);

        Assert.Empty(decision.Patch);
        Assert.Contains("none of ours", decision.LeftAlone, StringComparison.Ordinal);
    }

    [Fact]
    public void An_ephemeral_container_is_left_alone_when_the_request_does_not_say_what_the_pod_is_like_now()
    {
        var pod = JsonNode.Parse("""{"metadata":{},"spec":{"ephemeralContainers":[{"name":"a","image":"nginx:1"}]}}""");

        var decision = RewritePod.Decide(Review.Of("UPDATE", pod, subResource: "ephemeralcontainers"), Options);

        Assert.Empty(decision.Patch);
        Assert.Equal("the request does not say what the pod is like now", decision.LeftAlone);
    }

    [Fact]
    public void A_pod_whose_annotations_would_become_larger_than_Kubernetes_allows_is_left_alone()
    {
        var largest = (256 * 1024) - "note".Length - Names.RewriteAnnotation.Length - "true".Length - "original-image-a".Length
            - "nginx:1".Length;
        var (fits, tooLarge) = (Pod(("a", "nginx:1")), Pod(("a", "nginx:1")));
        fits["metadata"]!["annotations"] = new JsonObject { ["note"] = new string('n', largest) };
        tooLarge["metadata"]!["annotations"] = new JsonObject { ["note"] = new string('n', largest + 1) };

        Assert.Null(Decide("CREATE", fits).LeftAlone);
        Assert.Equal("its annotations would pass 256 KiB", Decide("CREATE", tooLarge).LeftAlone);
        Assert.Empty(Decide("CREATE", tooLarge).Patch);
    }

    [Fact]
    public void Of_an_annotation_that_comes_twice_only_the_last_one_counts()
    {
        var note = new string('n', 200 * 1024);
        using var pod = JsonDocument.Parse(
            $$$"""{"metadata":{"annotations":{"note":"{{{note}}}","note":"{{{note}}}"}},"spec":{"containers":[{"name":"a","image":"nginx:1","imagePullPolicy":"IfNotPresent"}]}}""");

        Assert.Null(RewritePod.Decide(new PodChange("CREATE", "", pod.RootElement, null), Options).LeftAlone);
    }

    [Fact]
    public void A_new_pod_is_rewritten_also_when_its_annotation_says_no()
    {
        var pod = Pod(("a", "nginx:1"));
        pod["metadata"]!["annotations"] = new JsonObject { [Names.RewriteAnnotation] = "false" };

        var patched = JsonPatch.Apply(pod, Decide("CREATE", pod).Patch);   // as v1: the way to opt out is the label

        Assert.Equal("true", (string?)patched["metadata"]!["annotations"]![Names.RewriteAnnotation]);
        Assert.Equal("localhost:7439/nginx:1", (string?)patched["spec"]!["containers"]![0]!["image"]);
    }

    [Fact]
    public void A_pod_made_from_a_rewritten_one_keeps_its_annotations()
    {
        // kubectl debug --copy-to copies annotations, and not labels.
        var pod = Pod(("a", "localhost:7439/nginx:1"), ("b", "redis:2"));
        pod["metadata"]!["annotations"] = new JsonObject
        { [Names.RewriteAnnotation] = "true", ["original-image-a"] = "nginx:1", ["original-image-b"] = "redis:1" };

        var patched = JsonPatch.Apply(pod, Decide("CREATE", pod).Patch);

        Assert.Equal("nginx:1", (string?)patched["metadata"]!["annotations"]!["original-image-a"]);
        Assert.Equal("redis:2", (string?)patched["metadata"]!["annotations"]!["original-image-b"]);
        Assert.Equal("true", (string?)patched["metadata"]!["labels"]![Names.ManagedLabel]);
    }

    private static PodDecision Decide(string operation, JsonNode? pod) => RewritePod.Decide(Review.Of(operation, pod), Options);

    private static JsonObject Pod(params (string Name, string Image)[] containers) => new JsonObject
    {
        ["metadata"] = new JsonObject(),
        ["spec"] = new JsonObject
        {
            ["containers"] = new JsonArray(
                [.. containers.Select(c => new JsonObject
                    { ["name"] = c.Name, ["image"] = c.Image, ["imagePullPolicy"] = "IfNotPresent" })]),
        },
    };
}
