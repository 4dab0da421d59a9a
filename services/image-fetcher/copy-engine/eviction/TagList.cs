using System.Text.Json;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The body of a registry's <c>tags/list</c>.</summary>
internal static class TagList
{
    /// <summary>Its tags; none when it has no list of them.</summary>
    /// <param name="repository">For the error.</param>
    /// <param name="body">The answer.</param>
    /// <exception cref="RegistryException">It is not such a list: what answered with 200 may be no registry at all.</exception>
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
            // The second one: something else than an object, than text, or text that is not Unicode.
            throw new RegistryException(RegistryErrorKind.Broken, $"the list of tags of {repository} is not JSON of that kind");
        }
    }
}
