using System.Text.Json;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The bodies of a registry's <c>tags/list</c> and <c>_catalog</c>.</summary>
internal static class TagList
{
    /// <summary>The tags of a list; empty when the list has none.</summary>
    /// <param name="repository">For the error.</param>
    /// <param name="body">The response body.</param>
    /// <exception cref="RegistryException">The body is not a list of tags: a server that answers 200 may not be a
    /// registry at all.</exception>
    public static IReadOnlyList<string> Parse(string repository, byte[] body) => Read(body, "tags", $"list of tags of {repository}");

    /// <summary>The repositories of a list; empty when the list has none.</summary>
    /// <param name="body">The response body.</param>
    /// <exception cref="RegistryException">The body is not a list of repositories.</exception>
    public static IReadOnlyList<string> ParseCatalog(byte[] body) => Read(body, "repositories", "list of repositories");

    private static IReadOnlyList<string> Read(byte[] body, string field, string what)
    {
        try
        {
            using var json = UntrustedJson.ParseDocument(body);
            return json.RootElement.TryGetProperty(field, out var names) && names.ValueKind == JsonValueKind.Array
                ? [.. names.EnumerateArray().Select(name => name.GetString()).OfType<string>()]
                : [];
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: not an object, not text, or text that is not Unicode.
            throw new RegistryException(RegistryErrorKind.Broken, $"the {what} is not JSON of that kind");
        }
    }
}
