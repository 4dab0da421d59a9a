using System.Text.Json;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The body of a registry's <c>tags/list</c>.</summary>
internal static class TagList
{
    /// <summary>The tags of a list; empty when the list has none.</summary>
    /// <param name="repository">For the error.</param>
    /// <param name="body">The response body.</param>
    /// <exception cref="RegistryException">The body is not a list of tags: a server that answers 200 may not be a
    /// registry at all.</exception>
    public static IReadOnlyList<string> Parse(string repository, byte[] body)
    {
        try
        {
            using var json = UntrustedJson.ParseDocument(body);
            return json.RootElement.TryGetProperty("tags", out var tags) && tags.ValueKind == JsonValueKind.Array
                ? [.. tags.EnumerateArray().Select(tag => tag.GetString()).OfType<string>()]
                : [];
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: not an object, not text, or text that is not Unicode.
            throw new RegistryException(RegistryErrorKind.Broken, $"the list of tags of {repository} is not JSON of that kind");
        }
    }
}
