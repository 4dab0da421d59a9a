using System.Text;
using System.Text.Json.Nodes;
using Kuik.Webhook;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace Kuik.Tests.Webhook;

/// <summary>
/// Each folder under golden: an AdmissionReview as a Kubernetes API sends it (review.json), settings (options.json), and what is expected
/// of it (expected.json): the patch, why each container that stays does, and why a pod as a whole is left alone.
/// </summary>
public sealed class GoldenTests
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Webhook", "golden");

    public static TheoryData<string> Cases => [.. Directory.GetDirectories(Folder).Select(path => Path.GetFileName(path)!).Order()];

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_review_is_answered_as_expected(string name)
    {
        var (review, options, expected) = Read(name);

        var decision = RewritePod.Decide(Review.Of(review), options);

        var stays = decision.Containers.Where(container => container.Image is null)
            .Select(container => KeyValuePair.Create(container.Container.Name, (JsonNode?)container.Why));
        AssertSame(expected["patch"]!, decision.Patch);
        AssertSame(expected["stays"]!, new JsonObject(stays));
        Assert.Equal((string?)expected["leftAlone"], decision.LeftAlone);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Asked_again_about_the_patched_pod_there_is_nothing_to_do(string name)
    {
        var (review, options, _) = Read(name);
        if (!IsDropped(review))
            review["request"]!["object"] =
                JsonPatch.Apply(review["request"]!["object"]!, RewritePod.Decide(Review.Of(review), options).Patch);

        var again = RewritePod.Decide(Review.Of(review), options);

        Assert.Empty(again.Patch);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Nothing_but_images_our_label_and_our_annotations_changes(string name)
    {
        var (review, options, _) = Read(name);
        var pod = review["request"]!["object"]!;

        var patched = JsonPatch.Apply(pod, RewritePod.Decide(Review.Of(review), options).Patch);

        AssertSame(WithoutOurs.Strip(pod), WithoutOurs.Strip(patched));
    }

    // Where there is no patch because the pod as a whole is left alone, asking again asks the same.
    private static bool IsDropped(JsonNode review) => (string?)review["request"]!["object"]!["kind"] != "Pod";

    private static (JsonNode Review, RewriteOptions Options, JsonNode Expected) Read(string name)
    {
        JsonNode Parse(string file) => JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, name, file)))!;
        using var settings = new MemoryStream(Encoding.UTF8.GetBytes(Parse("options.json").ToJsonString()));
        return (Parse("review.json"), RewriteOptions.From(new ConfigurationBuilder().AddJsonStream(settings).Build()),
            Parse("expected.json"));
    }

    private static void AssertSame(JsonNode? expected, JsonNode? actual) =>
        Assert.True(JsonNode.DeepEquals(expected, actual), $"expected {expected?.ToJsonString()}\nbut got {actual?.ToJsonString()}");
}
