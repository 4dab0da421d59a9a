using System.Text.Json;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Kuik.Contracts;
using Kuik.Tests.Contracts;
using Kuik.Webhook;
using Xunit;
using Outcome = Kuik.Webhook.Outcome;

namespace Kuik.Tests.Webhook;

/// <summary>Properties of every pod.</summary>
[Properties(Arbitrary = [typeof(PodGenerator)], MaxTest = 500)]
public sealed class RewriteProperties
{
    private static readonly RewriteOptions[] Settings =
    [
        new(),
        new() { IgnorePullPolicyAlways = false, PreviousPorts = [1313] },
        Review.Options(("Kuik:Webhook:IgnorePullPolicyAlways", "false"), ("Kuik:Webhook:IgnoredImages", "a.*b"),
            ("Kuik:Webhook:AcceptedImages", "o,localhost")),
    ];

    [Property]
    public void The_patch_changes_images_our_label_and_our_annotations_and_nothing_else(GeneratedChange change) =>
        Assert.All(Settings, options =>
    {
        var patched = JsonPatch.Apply(change.Pod, change.Decide(options).Patch);

        Assert.True(JsonNode.DeepEquals(WithoutOurs.Strip(change.Pod), WithoutOurs.Strip(patched)));
    });

    [Property]
    public void Twice_is_the_same_as_once(GeneratedChange change) => Assert.All(Settings, options =>
    {
        var patched = JsonPatch.Apply(change.Pod, change.Decide(options).Patch);

        Assert.Empty((change with { Pod = patched }).Decide(options).Patch);
    });

    [Property]
    public void Every_container_is_either_rewritten_or_has_a_reason(GeneratedChange change) => Assert.All(Settings, options =>
    {
        var decision = change.Decide(options);
        var patched = JsonPatch.Apply(change.Pod, decision.Patch);

        Assert.Equal(change.Containers.Count(), decision.Containers.Count);
        Assert.All(decision.Containers, container => Assert.NotEqual(container.Image is null, container.Why.Length == 0));
        Assert.All(decision.Containers, container => Assert.Equal(
            container.Image ?? container.Container.Image, (string?)JsonPatch.At(patched, PodImages.PathOf(container.Container)) ?? ""));
    });

    [Property]
    public void A_rewritten_image_has_its_original_in_its_name_and_in_its_annotation(GeneratedChange change) =>
        Assert.All(Settings, options =>
    {
        var decision = change.Decide(options);
        var patched = JsonPatch.Apply(change.Pod, decision.Patch);

        Assert.All(decision.Containers.Where(container => container.Outcome == Outcome.Rewritten), container =>
        {
            Assert.True(LocalReference.TryRead(container.Image!, [options.Port], out var origin));
            Assert.Equal(ImageReference.Parse(container.Container.Image), origin);
            if (container.Container.List == "ephemeralContainers")
                return;   // the subresource keeps no annotation
            var key = PodImages.AnnotationOf(container.Container.List, container.Container.Name);
            Assert.Equal(container.Container.Image, (string?)patched["metadata"]!["annotations"]![key]);
        });
    });

    [Property]
    public void An_update_that_changes_no_image_never_patches_one(GeneratedChange change) => Assert.All(Settings, options =>
    {
        var old = change.Pod.DeepClone();
        old["metadata"] = change.OldPod?["metadata"]?.DeepClone() ?? new JsonObject();

        var decision = (change with { Operation = "UPDATE", SubResource = "", OldPod = old }).Decide(options);

        Assert.DoesNotContain(decision.Patch, operation => ((string)operation!["path"]!).StartsWith("/spec/", StringComparison.Ordinal));
    });

    [Property]
    public void An_update_patches_only_images_that_it_changes_itself(GeneratedChange change) => Assert.All(Settings, options =>
    {
        if (change is not { Operation: "UPDATE", SubResource: "" })
            return;

        Assert.All(change.Decide(options).Containers.Where(container => container.Image is not null), container =>
            Assert.DoesNotContain(
                PodImages.Read(JsonSerializer.SerializeToElement(change.OldPod), container.Container.List, null),
                old => old.Name == container.Container.Name && old.Image == container.Container.Image));
    });

    [Property]
    public void No_annotation_of_ours_names_another_image_than_its_container_pulls_after_a_change(GeneratedChange change) =>
        Assert.All(Settings, options =>
    {
        var decision = change.Decide(options);
        if (decision.LeftAlone is not null || change.SubResource.Length > 0)
            return;
        var patched = JsonPatch.Apply(change.Pod, decision.Patch);

        Assert.All(decision.Containers.Where(container => container.Outcome != Outcome.Unchanged), container =>
        {
            var original = (string?)patched["metadata"]!["annotations"]?[PodImages.AnnotationOf(container.Container.List,
                container.Container.Name)];
            Assert.True(original is null || RewriteImage.IsOurs(container.Image ?? container.Container.Image, original, options));
        });
    });

    [Property]
    public void An_image_at_a_port_that_was_never_ours_is_never_touched(GeneratedChange change) => Assert.All(Settings, options =>
        Assert.All(change.Decide(options)
            .Containers.Where(container => container.Container.Image.StartsWith("localhost:5000/", StringComparison.Ordinal)), container =>
            Assert.Null(container.Image)));

    /// <summary>A request about a generated pod.</summary>
    public sealed record GeneratedChange(string Operation, string SubResource, JsonNode Pod, JsonNode? OldPod)
    {
        public IEnumerable<JsonNode?> Containers =>
            SubResource.Length > 0
                ? List("ephemeralContainers")
                : List("containers").Concat(List("initContainers")).Concat(List("volumes").Where(volume => volume!["image"] is not null));

        public PodDecision Decide(RewriteOptions options) => RewritePod.Decide(Review.Of(Operation, Pod, OldPod, SubResource), options);

        public override string ToString() => $"{Operation} {SubResource} {Pod.ToJsonString()} {OldPod?.ToJsonString()}";

        private IEnumerable<JsonNode?> List(string name) => Pod["spec"]![name] as JsonArray ?? [];
    }

    /// <summary>Pods with containers of every kind, some of them rewritten before, some marked, with unknown fields.</summary>
    public static class PodGenerator
    {
        public static Arbitrary<GeneratedChange> Changes() => Gen.OneOf(Pods(), Ephemeral()).ToArbitrary();

        private static Gen<GeneratedChange> Pods() =>
            from operation in Gen.Elements("CREATE", "UPDATE")
            from metadata in Metadata()
            from containers in Containers("c")
            from init in Containers("i")
            from volumes in Volumes()
            from old in Old(containers, "c")
            from oldInit in Old(init, "i")
            from oldMetadata in Metadata()
            select new GeneratedChange(
                operation, "", Pod(metadata, ("containers", containers), ("initContainers", init), ("volumes", volumes)),
                operation == "CREATE" ? null : Pod(oldMetadata, ("containers", old), ("initContainers", oldInit), ("volumes", volumes)));

        // What containers were before: some the same, some with another image, some absent, some more.
        private static Gen<JsonObject[]> Old(JsonObject[] containers, string prefix) =>
            from others in Containers(prefix)
            from isSame in Gen.Elements(true, true, false).ArrayOf(3)
            select Enumerable.Range(0, 3).Select(i => (isSame[i] ? containers : others).ElementAtOrDefault(i)).OfType<JsonObject>()
                .ToArray();

        private static Gen<JsonObject[]> Volumes() =>
            from containers in Containers("v")
            from isImage in Gen.Elements(true, false).ArrayOf(3)
            select containers.Select((container, index) => isImage[index]
                ? new JsonObject
                {
                    ["name"] = container["name"]!.DeepClone(),
                    ["image"] = new JsonObject
                    { ["reference"] = container["image"]!.DeepClone(), ["pullPolicy"] = container["imagePullPolicy"]?.DeepClone() },
                }
                : new JsonObject { ["name"] = container["name"]!.DeepClone(), ["emptyDir"] = new JsonObject() }).ToArray();

        private static Gen<GeneratedChange> Ephemeral() =>
            from metadata in Metadata()
            from existing in Containers("e")
            from added in Containers("n")
            select new GeneratedChange("UPDATE", "ephemeralcontainers",
                Pod(metadata, ("ephemeralContainers", [.. existing, .. added])), Pod(metadata, ("ephemeralContainers", existing)));

        private static JsonObject Pod(JsonObject metadata, params (string Name, JsonObject[] Containers)[] lists)
        {
            var spec = new JsonObject { ["fieldOfTomorrow"] = new JsonArray(1, null, "<é>", new JsonObject { ["image"] = "nginx" }) };
            foreach (var (name, containers) in lists.Where(list => list.Containers.Length > 0))
                spec[name] = new JsonArray([.. containers.Select(container => container.DeepClone())]);
            return new JsonObject { ["kind"] = "Pod", ["metadata"] = metadata.DeepClone(), ["spec"] = spec };
        }

        private static Gen<JsonObject> Metadata() =>
            from labels in Gen.Elements("null", "{}", """{"a/b":"c"}""", $$"""{"{{Names.ManagedLabel}}":"true"}""",
                $$"""{"{{Names.PolicyLabel}}":"ignore"}""", $$"""{"{{Names.ManagedLabel}}":"true","~":"/"}""")
            from annotations in Gen.Elements("null", "{}", """{"a~1/b":"c"}""",
                """{"original-image-c0":"nginx:1","original-init-image-i1":"redis"}""",
                $$"""{"{{Names.RewriteAnnotation}}":"true","original-image-c0":"o/a:1","original-image-c1":"reg.io:5000/o/b","original-init-image-i0":"o/a:1","original-volume-image-v0":"o/a:1"}""",
                $$"""{"{{Names.RewriteAnnotation}}":"false","original-image-c0":"o/a:1"}""", $$"""{"{{Names.MirrorPodAnnotation}}":"x"}""")
            select new JsonObject
            {
                ["name"] = "web",
                ["labels"] = JsonNode.Parse(labels),
                ["annotations"] = JsonNode.Parse(annotations),
                ["tomorrow"] = 1.50
            };

        private static Gen<JsonObject[]> Containers(string prefix) =>
            from count in Gen.Choose(0, 3)
            from containers in Container().ArrayOf(count)
            select containers.Select((container, index) =>
            {
                var named = (JsonObject)container.DeepClone();
                named["name"] = prefix + (index == 2 ? new string('x', 62) : index);
                return named;
            }).ToArray();

        private static Gen<JsonObject> Container() =>
            from image in Gen.Frequency(
                (4, ReferenceGenerator.Written()),
                (1, Gen.Elements("localhost:7439/o/a:1", "localhost:1313/o/a:1", "localhost:5000/o/a:1", "localhost:1313/reg.io-5000/o/b",
                    "localhost:7439/docker.io/my_5000/o:latest")),
                (1, Gen.Elements("", " ", "nginx\n", "a:b:c", "\u0000", "é", "o@sha256:x")))
            from policy in Gen.Elements("", "Always", "IfNotPresent", "IfNotPresent", "Never")
            select policy.Length == 0
                ? new JsonObject { ["image"] = image, ["restartPolicy"] = "Always" }
                : new JsonObject
                {
                    ["image"] = image,
                    ["imagePullPolicy"] = policy,
                    ["resizePolicy"] = new JsonArray(new JsonObject { ["resourceName"] = "cpu" })
                };
    }
}
