using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>Error bodies of the distribution specification, read and extended.</summary>
internal static class ErrorBody
{
    /// <summary>The first error's message; null when the body is not of this form.</summary>
    public static string? Message(string body) =>
        First(body).Error is { } error && error["message"] is JsonValue message && message.TryGetValue<string>(out var text) ? text : null;

    /// <summary>The body with a text behind the first error's message; unchanged when it is not of this form.</summary>
    public static string Append(string body, string text)
    {
        var (root, error) = First(body);
        if (root is null || error is null)
            return body;
        error["message"] = Message(body) + text;
        return root.ToJsonString();
    }

    private static (JsonNode? Root, JsonObject? Error) First(string body)
    {
        try
        {
            var root = UntrustedJson.ParseNode(Encoding.UTF8.GetBytes(body));
            return (root, (root as JsonObject)?["errors"] is JsonArray { Count: > 0 } errors ? errors[0] as JsonObject : null);
        }
        catch (JsonException)
        {
            return (null, null);   // a body in a form of its own is passed on as it is
        }
    }
}
