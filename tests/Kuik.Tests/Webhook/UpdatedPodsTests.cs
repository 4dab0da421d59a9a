using System.Text.Json.Nodes;
using Kuik.Contracts;
using Kuik.Webhook;
using Xunit;

namespace Kuik.Tests.Webhook;

/// <summary>
/// Updates of pods that run already: another image restarts a container, so only what the request itself changes is looked at.
/// </summary>
public sealed class UpdatedPodsTests
{
    [Fact]
    public void A_label_changed_after_the_settings_changed_leaves_every_image()
    {
        var old = Pod(Marked, ("web", "nginx:1"), ("old-port", "localhost:1313/redis:1"));
        old["metadata"]!["annotations"]!["original-image-old-port"] = "redis:1";
        old["metadata"]!["labels"]![Names.ManagedLabel] = "true";
        var pod = old.DeepClone();
        pod["metadata"]!["labels"]!["leader"] = "yes";

        var decision = Decide(pod, old, ("Kuik:Proxy:PreviousPorts", "1313"), ("Kuik:Webhook:IgnorePullPolicyAlways", "false"));

        Assert.Empty(decision.Patch);
        Assert.All(decision.Containers, container => Assert.Equal(Outcome.Unchanged, container.Outcome));
    }

    [Fact]
    public void Of_several_containers_only_the_changed_one_is_rewritten()
    {
        var old = Pod(Marked, ("web", "nginx:1"), ("app", "redis:1"));
        var pod = WithImage(old, 1, "redis:2");

        var patched = JsonPatch.Apply(pod, Decide(pod, old).Patch);

        Assert.Equal("nginx:1", (string?)patched["spec"]!["containers"]![0]!["image"]);
        Assert.Equal("localhost:7439/redis:2", (string?)patched["spec"]!["containers"]![1]!["image"]);
        Assert.Equal("redis:2", (string?)patched["metadata"]!["annotations"]!["original-image-app"]);
    }

    [Fact]
    public void The_same_name_in_another_list_is_another_container()
    {
        var old = Pod(Marked, ("web", "nginx:1"));
        var pod = old.DeepClone();
        pod["spec"]!["initContainers"] = new JsonArray(new JsonObject { ["name"] = "web", ["image"] = "nginx:1" });

        var patch = Decide(pod, old).Patch;

        Assert.Equal("/spec/initContainers/0/image", (string?)patch[0]!["path"]);
    }

    [Fact]
    public void A_changed_image_of_an_old_port_is_followed()
    {
        var old = Rewritten();
        var pod = WithImage(old, 0, "localhost:1313/nginx:2");
        pod["metadata"]!["annotations"]!["original-image-web"] = "nginx:2";

        var patched = JsonPatch.Apply(pod, Decide(pod, old, ("Kuik:Proxy:PreviousPorts", "1313")).Patch);

        Assert.Equal("localhost:7439/nginx:2", (string?)patched["spec"]!["containers"]![0]!["image"]);
    }

    [Fact]
    public void A_pod_that_is_being_deleted_is_left_alone()
    {
        var old = Pod(Marked, ("web", "nginx:1"));
        var pod = WithImage(old, 0, "nginx:2");
        pod["metadata"]!["deletionTimestamp"] = "2026-02-03T10:11:12Z";

        var decision = Decide(pod, old);

        Assert.Empty(decision.Patch);
        Assert.Equal("it is being deleted", decision.LeftAlone);
        Assert.Equal(Outcome.PodTerminating, Assert.Single(decision.Containers).Outcome);
    }

    [Fact]
    public void An_update_that_does_not_say_what_the_pod_was_is_left_alone() =>
        Assert.Equal("the request does not say what the pod is like now", Decide(Pod(Marked, ("web", "nginx:1")), null).LeftAlone);

    [Theory]
    [InlineData("nginx:2", "IfNotPresent", "nginx")]           // ignored by the settings
    [InlineData("localhost:5000/own:1", "IfNotPresent", "x")]   // a registry of the node
    [InlineData("no such:::thing", "IfNotPresent", "x")]
    [InlineData("nginx:2", "Always", "x")]
    public void An_image_changed_to_one_that_stays_takes_its_annotation_away(string image, string policy, string ignored)
    {
        var old = Rewritten();
        var pod = WithImage(old, 0, image);
        pod["spec"]!["containers"]![0]!["imagePullPolicy"] = policy;

        var patched = JsonPatch.Apply(pod, Decide(pod, old, ("Kuik:Webhook:IgnoredImages", ignored)).Patch);

        Assert.Equal(image, (string?)patched["spec"]!["containers"]![0]!["image"]);
        Assert.False(patched["metadata"]!["annotations"]!.AsObject().ContainsKey("original-image-web"));
    }

    [Fact]
    public void A_local_name_written_by_hand_takes_away_an_annotation_that_names_another_image()
    {
        var old = Rewritten();
        var pod = WithImage(old, 0, "localhost:7439/nginx:2");

        var patched = JsonPatch.Apply(pod, Decide(pod, old).Patch);

        Assert.Null(patched["metadata"]!["annotations"]!["original-image-web"]);   // pod-watcher reads nginx:2 out of the name
        Assert.Equal("localhost:7439/nginx:2", (string?)patched["spec"]!["containers"]![0]!["image"]);
    }

    [Fact]
    public void A_replace_by_the_manifest_takes_the_marks_away_and_so_the_rewriting()
    {
        var old = Rewritten();
        var pod = Pod("{}", ("web", "nginx:1"));
        pod["metadata"]!.AsObject().Remove("labels");

        var decision = Decide(pod, old);

        Assert.Empty(decision.Patch);
        Assert.Equal(Outcome.NotMarked, Assert.Single(decision.Containers).Outcome);
    }

    [Fact]
    public void An_apply_of_the_manifest_ends_where_it_was()
    {
        var old = Rewritten();
        var pod = WithImage(old, 0, "nginx:1");   // kubectl apply keeps what the manifest does not name

        Assert.True(JsonNode.DeepEquals(old, JsonPatch.Apply(pod, Decide(pod, old).Patch)));
    }

    [Fact]
    public void Marks_taken_from_a_container_that_still_runs_from_node_proxy_come_back()
    {
        var old = Rewritten();
        var pod = old.DeepClone();
        pod["metadata"] = new JsonObject();

        var patched = JsonPatch.Apply(pod, Decide(pod, old).Patch);

        // Without the label pod-watcher would not follow the pod, and its image could expire under it. The mark for rewriting is the
        // owner's to remove.
        Assert.Equal("true", (string?)patched["metadata"]!["labels"]![Names.ManagedLabel]);
        Assert.Equal("nginx:1", (string?)patched["metadata"]!["annotations"]!["original-image-web"]);
        Assert.Null(patched["metadata"]!["annotations"]![Names.RewriteAnnotation]);
    }

    [Fact]
    public void A_pod_older_than_Kuik_is_not_touched_by_its_updates()
    {
        var old = Pod("{}", ("web", "nginx:1"));
        var pod = WithImage(old, 0, "nginx:2");

        var decision = Decide(pod, old);

        Assert.Empty(decision.Patch);
        Assert.Equal(Outcome.NotMarked, Assert.Single(decision.Containers).Outcome);
    }

    private static string Marked => $$"""{"{{Names.RewriteAnnotation}}":"true"}""";

    private static PodDecision Decide(JsonNode pod, JsonNode? old, params (string, string?)[] settings) =>
        RewritePod.Decide(Review.Of("UPDATE", pod, old), Review.Options(settings));

    private static JsonObject Rewritten()
    {
        var pod = Pod(Marked, ("web", "localhost:7439/nginx:1"));
        pod["metadata"]!["labels"]![Names.ManagedLabel] = "true";
        pod["metadata"]!["annotations"]!["original-image-web"] = "nginx:1";
        return pod;
    }

    private static JsonNode WithImage(JsonNode pod, int container, string image)
    {
        var changed = pod.DeepClone();
        changed["spec"]!["containers"]![container]!["image"] = image;
        return changed;
    }

    private static JsonObject Pod(string annotations, params (string Name, string Image)[] containers) => new JsonObject
    {
        ["metadata"] = new JsonObject { ["labels"] = new JsonObject { ["app"] = "web" }, ["annotations"] = JsonNode.Parse(annotations) },
        ["spec"] = new JsonObject
        {
            ["containers"] = new JsonArray(
                [.. containers.Select(c => new JsonObject
                    { ["name"] = c.Name, ["image"] = c.Image, ["imagePullPolicy"] = "IfNotPresent" })]),
        },
    };
}
