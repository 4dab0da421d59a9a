using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Kuik.Contracts;
using Kuik.Webhook;
using Xunit;

namespace Kuik.Tests.Webhook;

/// <summary>
/// Properties of any JSON that is sent as a pod. FsCheck chooses seeds; a failure names its seed, from which <see cref="RandomPod"/> writes
/// the same text again. <see cref="RewriteProperties"/> has the same properties for pods that Kubernetes would accept.
/// </summary>
[Properties(Arbitrary = [typeof(Seeds)], MaxTest = 300)]
public sealed class FuzzTests
{
    private static readonly RewriteOptions[] Settings =
    [
        new(),
        Review.Options(("Kuik:Webhook:IgnorePullPolicyAlways", "false"), ("Kuik:Proxy:PreviousPorts", "1313"),
            ("Kuik:Webhook:IgnoredImages", "^quay")),
    ];

    private static readonly (string Operation, string SubResource)[] Requests =
        [("CREATE", ""), ("UPDATE", ""), ("UPDATE", "ephemeralcontainers")];

    [Property]
    public void The_patch_changes_images_our_label_and_our_annotations_and_nothing_else(Seed seed) => ForAll(seed, (pod, decide) =>
    {
        var (before, after) = (Normal(pod), JsonPatch.Apply(Normal(pod), decide(pod).Patch));

        Assert.True(JsonNode.DeepEquals(WithoutOurs.Strip(before), WithoutOurs.Strip(after)), $"{pod}\nbecame {after?.ToJsonString()}");
    });

    [Property]
    public void Twice_is_the_same_as_once(Seed seed) => ForAll(seed, (pod, decide) =>
    {
        var once = JsonPatch.Apply(Normal(pod), decide(pod).Patch);

        var again = decide(once?.ToJsonString() ?? "null").Patch;
        Assert.True(again.Count == 0, $"{pod}\nagain: {again.ToJsonString()}");
    });

    [Property]
    public void Every_container_is_either_rewritten_or_has_a_reason(Seed seed) => ForAll(seed, (pod, decide) =>
    {
        var decision = decide(pod);
        var after = JsonPatch.Apply(Normal(pod), decision.Patch);

        Assert.All(decision.Containers, container => Assert.NotEqual(container.Image is null, container.Why.Length == 0));
        Assert.All(decision.Containers.Where(container => container.Image is not null), container =>
            Assert.Equal(container.Image, (string?)JsonPatch.At(after, PodImages.PathOf(container.Container))));
        Assert.Equal(decision.Containers.Count(container => container.Image is not null), decision.Patch.Count(IsOfImage));
        if (decision.LeftAlone is not null)
            Assert.Empty(decision.Patch);
    });

    [Property]
    public void An_update_that_changes_no_image_never_patches_one(Seed seed)
    {
        var text = new RandomPod(seed.Value).Write();
        var (before, after) = (Normal(text), Normal(text));
        if (before is not JsonObject || JsonPatch.At(after, "/metadata") is not JsonObject metadata)
            return;
        metadata["labels"] = new JsonObject { ["changed"] = "yes" };
        metadata["annotations"] = new JsonObject { [Names.RewriteAnnotation] = "true" };

        Assert.All(Settings, options => Assert.DoesNotContain(
            Decide(after!.ToJsonString(), "UPDATE", "", before.ToJsonString(), options).Patch, operation => IsOfImage(operation)));
    }

    [Property]
    public void No_key_that_we_write_is_longer_than_Kubernetes_allows(Seed seed) => ForAll(seed, (pod, decide) =>
    {
        foreach (var operation in decide(pod).Patch.Select(operation => operation!.AsObject()))
        {
            var path = ((string)operation["path"]!).Split('/');
            if (path[1] != "metadata")
                continue;
            var keys = operation["value"] is JsonObject map
                ? map.Select(entry => entry.Key)
                : [path[3].Replace("~1", "/", StringComparison.Ordinal)];
            // the part behind the prefix; ours has no longer one than 253
            Assert.All(keys, key => Assert.InRange(Encoding.UTF8.GetByteCount(key.Split('/')[^1]), 1, 63));
        }
    });

    [Theory]   // v1's rule: the container's name becomes its hex SHA-1 where the key would have more than 63 bytes
    [InlineData("original-image-", 48, false)]
    [InlineData("original-image-", 49, true)]
    [InlineData("original-init-image-", 43, false)]
    [InlineData("original-init-image-", 44, true)]
    [InlineData("original-volume-image-", 41, false)]
    [InlineData("original-volume-image-", 42, true)]
    public void A_name_too_long_for_a_key_is_hashed(string prefix, int length, bool isHashed)
    {
        var name = new string('n', length);
        var key = prefix switch
        {
            "original-image-" => Names.OriginalImageAnnotation(name),
            "original-init-image-" => Names.OriginalInitImageAnnotation(name),
            _ => Names.OriginalVolumeImageAnnotation(name),
        };

        Assert.Equal(isHashed ? prefix.Length + 40 : prefix.Length + length, key.Length);
        Assert.Equal(isHashed, !key.EndsWith(name, StringComparison.Ordinal));
        Assert.InRange(Names.OriginalImageAnnotation(new string('ü', 30)).Length, 55, 55);   // 60 bytes in 30 characters
    }

    private static bool IsOfImage(JsonNode? operation) => ((string)operation!["path"]!).StartsWith("/spec/", StringComparison.Ordinal);

    private static void ForAll(Seed seed, Action<string, Func<string, PodDecision>> check)
    {
        var pod = new RandomPod(seed.Value).Write();
        var old = new RandomPod(unchecked(seed.Value + 1)).Write();
        foreach (var options in Settings)
        {
            foreach (var (operation, subResource) in Requests)
                check(pod, text => Decide(text, operation, subResource, old, options));
        }
    }

    private static PodDecision Decide(string pod, string operation, string subResource, string oldPod, RewriteOptions options)
    {
        using var document = JsonDocument.Parse(pod, new JsonDocumentOptions { MaxDepth = 1000 });
        using var old = JsonDocument.Parse(oldPod, new JsonDocumentOptions { MaxDepth = 1000 });
        return RewritePod.Decide(
            new PodChange(operation, subResource, document.RootElement, operation == "UPDATE" ? old.RootElement : null), options);
    }

    // As a Kubernetes API reads it: of members that come twice, the last one counts.
    private static JsonNode? Normal(string text)
    {
        using var document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 1000 });
        return Normal(document.RootElement);
    }

    private static JsonNode? Normal(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                var map = new JsonObject();
                foreach (var member in element.EnumerateObject())
                    map[member.Name] = Normal(member.Value);
                return map;
            case JsonValueKind.Array:
                return new JsonArray([.. element.EnumerateArray().Select(Normal)]);
            case JsonValueKind.Null:
                return null;
            default:
                return JsonValue.Create(element.Clone());
        }
    }

    /// <summary>The source of a random pod.</summary>
    public sealed record Seed(int Value);

    /// <summary>All seeds alike; an int by itself would be a small one.</summary>
    public static class Seeds
    {
        public static Arbitrary<Seed> All() => Gen.Choose(int.MinValue, int.MaxValue).Select(value => new Seed(value)).ToArbitrary();
    }
}
