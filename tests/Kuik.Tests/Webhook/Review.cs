using System.Text.Json;
using System.Text.Json.Nodes;
using Kuik.Webhook;
using Microsoft.Extensions.Configuration;

namespace Kuik.Tests.Webhook;

/// <summary>Turns what tests write down into what the webhook's decisions take.</summary>
internal static class Review
{
    public static PodChange Of(JsonNode review)
    {
        var request = review["request"]!;
        return new PodChange((string)request["operation"]!, (string?)request["subResource"] ?? "", Element(request["object"]),
            Element(request["oldObject"]));
    }

    public static PodChange Of(string operation, JsonNode? pod, JsonNode? oldPod = null, string subResource = "") =>
        new(operation, subResource, Element(pod), Element(oldPod));

    public static RewriteOptions Options(params (string Key, string? Value)[] settings) =>
        RewriteOptions.From(new ConfigurationBuilder()
            .AddInMemoryCollection(settings.Select(setting => KeyValuePair.Create(setting.Key, setting.Value))).Build());

    private static JsonElement? Element(JsonNode? node) => node is null ? null : JsonSerializer.SerializeToElement(node);
}
