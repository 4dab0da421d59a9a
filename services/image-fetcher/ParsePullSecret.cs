using System.Text;
using System.Text.Json;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Oci;

namespace Kuik.ImageFetcher;

/// <summary>A pull secret that is no docker configuration. Its message names the secret and what is wrong, and holds nothing of the content.</summary>
/// <param name="secret">The secret.</param>
/// <param name="problem">What is wrong, to follow the secret's name in a sentence.</param>
public sealed class UnreadablePullSecret(PullSecret secret, string problem) : Exception($"the pull secret {secret.Namespace}/{secret.Name} {problem}");

/// <summary>What one entry of a pull secret opens.</summary>
/// <param name="Host">A registry's host, globs allowed in each of its labels: <c>*.example.com:5000</c>.</param>
/// <param name="Path">What the image's path has to start with, with a leading slash; empty for the whole registry.</param>
/// <param name="Credential">What to show the registry.</param>
public sealed record PullSecretEntry(string Host, string Path, RegistryCredential Credential);

/// <summary>Reads pull secrets of both of Kubernetes' types as the kubelet does (pkg/credentialprovider: config.go, keyring.go), and identity and registry tokens as docker does.</summary>
public static class ParsePullSecret
{
    /// <summary>The entries of a secret; none of a secret of another type, or of one without data.</summary>
    /// <param name="secret">Its name, for errors.</param>
    /// <param name="type">The Secret's <c>type</c>.</param>
    /// <param name="data">The Secret's <c>data</c>, decoded.</param>
    /// <exception cref="UnreadablePullSecret">It is not JSON of that shape, or an <c>auth</c> field does not decode.</exception>
    public static IReadOnlyList<PullSecretEntry> Entries(PullSecret secret, string? type, IDictionary<string, byte[]>? data)
    {
        var key = type switch
        {
            "kubernetes.io/dockerconfigjson" => ".dockerconfigjson",
            "kubernetes.io/dockercfg" => ".dockercfg",
            _ => null,
        };
        if (key is null || data is null || !data.TryGetValue(key, out var content) || content.Length == 0)
            return [];
        using var document = Parse(secret, key, content);
        var configuration = PropertiesOf(document.RootElement, () => new UnreadablePullSecret(secret, $"holds no JSON object under {key}"));
        if (key == ".dockerconfigjson")
            configuration = PropertiesOf(Field(configuration, "auths"), () => new UnreadablePullSecret(secret, "holds \"auths\" that are not a JSON object"));
        return [.. configuration.SelectMany((entry, index) => ReadEntry(new Place(secret, index + 1), entry))];
    }

    private static JsonDocument Parse(PullSecret secret, string key, byte[] content)
    {
        try
        {
            return JsonDocument.Parse(content);
        }
        catch (JsonException error)
        {
            // Not error.Message: it quotes what it stumbled upon.
            throw new UnreadablePullSecret(secret, $"holds no valid JSON under {key} (line {error.LineNumber + 1}, byte {error.BytePositionInLine + 1})");
        }
    }

    private static IEnumerable<PullSecretEntry> ReadEntry(Place place, JsonProperty registry)
    {
        var entry = PropertiesOf(registry.Value, () => place.Problem("is not a JSON object"));
        var (username, password) = (TextIn(entry, "username", place), TextIn(entry, "password", place));
        if (TextIn(entry, "auth", place) is { Length: > 0 } auth)
            (username, password) = Decode(auth, place);
        var (identity, token) = (TextIn(entry, "identitytoken", place), TextIn(entry, "registrytoken", place));
        if (username + password + identity + token == "")
            yield break;   // a credential helper's entry: what it stands for is on somebody's laptop
        var (host, path) = Split(registry.Name);
        yield return new PullSecretEntry(host, path, new RegistryCredential(username, password, identity == "" ? null : identity, token == "" ? null : token));
    }

    private static (string Username, string Password) Decode(string auth, Place place)
    {
        // Padded or not, broken into lines or not: all are in use.
        var digits = string.Concat(auth.Where(c => !char.IsWhiteSpace(c))).TrimEnd('=');
        var bytes = new byte[digits.Length];
        var text = Convert.TryFromBase64String(digits.PadRight((digits.Length + 3) / 4 * 4, '='), bytes, out var length) ? Encoding.UTF8.GetString(bytes, 0, length) : "";
        return text.IndexOf(':', StringComparison.Ordinal) is >= 0 and var colon
            ? (text[..colon], text[(colon + 1)..])
            : throw place.Problem("holds an auth field that is not base64(username:password)");
    }

    // The key is written as a host, a host and a path, or an address whose /v1/ or /v2/ means the whole registry.
    private static (string Host, string Path) Split(string registry)
    {
        var rest = registry;
        foreach (var scheme in (string[])["https://", "http://"])
            rest = rest.StartsWith(scheme, StringComparison.Ordinal) ? rest[scheme.Length..] : rest;
        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        var (host, path) = slash < 0 ? (rest, "") : (rest[..slash], rest[slash..]);
        if (path.StartsWith("/v1/", StringComparison.Ordinal) || path.StartsWith("/v2/", StringComparison.Ordinal))
            path = path[3..];
        // Docker Hub's other names are docker.io in every image's name here.
        return (host is "registry-1.docker.io" or "registry.hub.docker.com" ? ImageReference.DockerHub : host, path == "/" ? "" : path);
    }

    private static IReadOnlyList<JsonProperty> PropertiesOf(JsonElement element, Func<UnreadablePullSecret> problem) => element.ValueKind switch
    {
        JsonValueKind.Undefined or JsonValueKind.Null => [],
        JsonValueKind.Object => [.. element.EnumerateObject()],
        _ => throw problem(),
    };

    // Go's decoder, which the kubelet reads this with, ignores the case of fields and lets the last of two win.
    private static JsonElement Field(IReadOnlyList<JsonProperty> properties, string name) =>
        properties.LastOrDefault(property => property.Name.Equals(name, StringComparison.OrdinalIgnoreCase)).Value;

    private static string TextIn(IReadOnlyList<JsonProperty> entry, string field, Place place) => Field(entry, field) switch
    {
        { ValueKind: JsonValueKind.Undefined or JsonValueKind.Null } => "",
        { ValueKind: JsonValueKind.String } text => text.GetString()!,
        _ => throw place.Problem($"holds {field} that is not text"),
    };

    // An entry is told by its number: its key may be a slip of the pen that should stay secret.
    private sealed record Place(PullSecret Secret, int Entry)
    {
        public UnreadablePullSecret Problem(string problem) => new(Secret, $"has an entry (number {Entry}) that {problem}");
    }
}
