using System.Text;
using System.Text.Json;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Oci;

namespace Kuik.ImageFetcher;

/// <summary>
/// Parses pull secrets of both of Kubernetes' types as the kubelet does (pkg/credentialprovider: config.go, keyring.go), and identity and
/// registry tokens as docker does. A secret is third-party input: no content makes this throw.
/// <para>Entries are independent: an invalid one does not affect the others. Text that is not Unicode (a password typed on a Latin-1
/// terminal) is read with U+FFFD in its place, as by the kubelet: in a field that the registry ignores, the image is pulled on a node
/// without Kuik, so it has to be pulled here; in a password, the registry answers 401, and the reported problem states the cause.</para>
/// </summary>
internal static class ParsePullSecret
{
    /// <summary>Kubernetes' own limit for all data of a Secret, in bytes.</summary>
    public const int LongestContent = 1024 * 1024;

    // Problems end up in events and in the status of resources.
    private const int MostProblems = 5;

    /// <summary>The entries of a secret, and its problems. No entries for a secret of another type, or without data.</summary>
    /// <param name="secret">Its name, for the problems.</param>
    /// <param name="type">The Secret's <c>type</c>.</param>
    /// <param name="data">The Secret's <c>data</c>, decoded.</param>
    public static SecretsRead Read(PullSecret secret, string? type, IDictionary<string, byte[]>? data)
    {
        var key = type switch
        {
            "kubernetes.io/dockerconfigjson" => ".dockerconfigjson",
            "kubernetes.io/dockercfg" => ".dockercfg",
            _ => null,
        };
        if (key is null || data?.TryGetValue(key, out var content) != true || content is not { Length: > 0 })
            return new SecretsRead([], []);
        var name = $"the pull secret {secret.Namespace}/{secret.Name}";
        try
        {
            if (content.Length > LongestContent)
                throw new UnusableException($"is larger than {LongestContent} bytes");
            using var document = Parse(key, content);
            return ReadEntries(name, [.. EntriesOf(key, document.RootElement)]);
        }
        catch (UnusableException problem)
        {
            return new SecretsRead([], [$"{name} {problem.Message}"]);
        }
    }

    private static JsonDocument Parse(string key, byte[] content)
    {
        try
        {
            return LenientJson.Parse(content);
        }
        catch (JsonException error)
        {
            // Not error.Message: it quotes the content.
            var (line, at) = (error.LineNumber + 1, error.BytePositionInLine + 1);
            throw new UnusableException($"holds no valid JSON under {key} (line {line}, byte {at})");
        }
    }

    // As Go's decoder does: objects of the same name are merged, and of two entries with one key the last one counts. The number is
    // for the problems.
    private static IEnumerable<(int Number, JsonProperty Property)> EntriesOf(string key, JsonElement root)
    {
        var top = PropertiesOf(root) ?? throw new UnusableException($"holds no JSON object under {key}");
        var entries = key == ".dockercfg" ? top : top.Where(property => IsNamed(property, "auths"))
            .SelectMany(auths => PropertiesOf(auths.Value) ?? throw new UnusableException("holds \"auths\" that are not a JSON object"));
        return entries.Select((property, index) => (Number: index + 1, property))
            .GroupBy(entry => entry.property.Name, (_, same) => same.Last()).OrderBy(entry => entry.Number);
    }

    private static SecretsRead ReadEntries(string name, IReadOnlyList<(int Number, JsonProperty Property)> properties)
    {
        var (entries, problems) = (new List<PullSecretEntry>(), new List<string>());
        foreach (var (number, property) in properties)
        {
            // Entries are identified by number: a key may be a password in the wrong place.
            void Report(string problem) => problems.Add($"{name} has an entry (number {number}) {problem}");
            try
            {
                if (ReadEntry(property) is { } entry)
                    entries.Add(entry);
                if (IsNotUnicode(property))
                    Report("with text that is not Unicode: it is used with U+FFFD in its place, as the kubelet does");
            }
            catch (UnusableException unusable)
            {
                Report("that " + unusable.Message);
            }
        }
        return new SecretsRead(entries, problems.Count <= MostProblems ? problems :
            [.. problems.Take(MostProblems), $"{name} has {problems.Count - MostProblems} more entries with problems"]);
    }

    /// <returns>Null for a credential helper's entry: its credential is on the machine where it was written.</returns>
    private static PullSecretEntry? ReadEntry(JsonProperty registry)
    {
        var entry = PropertiesOf(registry.Value) ?? throw new UnusableException("is not a JSON object");
        var (username, password, isUtf8) = TextIn(entry, "auth") is { Length: > 0 } auth
            ? Decode(auth)
            : (TextIn(entry, "username"), TextIn(entry, "password"), true);
        var (identity, token) = (TextIn(entry, "identitytoken"), TextIn(entry, "registrytoken"));
        if (token.AsSpan().ContainsAnyExceptInRange('!', '~'))
            throw new UnusableException("holds a registrytoken that no HTTP header can carry");
        if (username + password + identity + token == "")
            return null;
        if (registry.Name.Any(c => char.IsWhiteSpace(c) || char.IsControl(c)))
            throw new UnusableException("has white space in the registry's name");
        var (host, path) = Split(registry.Name);
        var credential = new RegistryCredential(username, password, NullIfEmpty(identity), NullIfEmpty(token)) { IsUtf8 = isUtf8 };
        return new PullSecretEntry(host, path, credential);
    }

    /// <summary>
    /// Decodes <c>auth</c>, padded or not, with line breaks or without: all are in use. NULs around the password are docker's padding.
    /// Bytes that are not UTF-8 are kept.
    /// </summary>
    private static (string Username, string Password, bool IsUtf8) Decode(string auth)
    {
        var digits = string.Concat(auth.Where(c => !char.IsWhiteSpace(c))).TrimEnd('=');
        var bytes = new byte[digits.Length];
        var isBase64 = Convert.TryFromBase64String(digits.PadRight((digits.Length + 3) / 4 * 4, '='), bytes, out var length);
        var isUtf8 = System.Text.Unicode.Utf8.IsValid(bytes.AsSpan(0, length));
        var text = isBase64 ? (isUtf8 ? Encoding.UTF8 : Encoding.Latin1).GetString(bytes, 0, length) : "";
        return text.IndexOf(':', StringComparison.Ordinal) is >= 0 and var colon
            ? (text[..colon], text[(colon + 1)..].Trim('\0'), isUtf8)
            : throw new UnusableException("holds an auth field that is not base64(username:password)");
    }

    // The key is a host, a host and a path, or an address whose /v1/ or /v2/ means the whole registry. A user name in an
    // address is ignored.
    private static (string Host, string Path) Split(string registry)
    {
        var rest = registry;
        foreach (var scheme in (string[])["https://", "http://"])
            rest = rest.StartsWith(scheme, StringComparison.Ordinal) ? rest[scheme.Length..] : rest;
        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        var (host, path) = slash < 0 ? (rest, "") : (rest[..slash], rest[slash..]);
        host = host[(host.LastIndexOf('@') + 1)..];
        if (path.StartsWith("/v1/", StringComparison.Ordinal) || path.StartsWith("/v2/", StringComparison.Ordinal))
            path = path[3..];
        // Docker Hub's other names are docker.io in every image reference here.
        return (host is "registry-1.docker.io" or "registry.hub.docker.com" ? ImageReference.DockerHub : host, path == "/" ? "" : path);
    }

    private static IReadOnlyList<JsonProperty>? PropertiesOf(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Undefined or JsonValueKind.Null => [],
        JsonValueKind.Object => [.. element.EnumerateObject()],
        _ => null,
    };

    // Go's decoder ignores the case of fields, the last of two wins, and a null changes nothing.
    private static string TextIn(IReadOnlyList<JsonProperty> entry, string field) =>
        entry.LastOrDefault(property => IsNamed(property, field) && property.Value.ValueKind != JsonValueKind.Null).Value switch
        {
            { ValueKind: JsonValueKind.Undefined } => "",
            { ValueKind: JsonValueKind.String } text => text.GetString()!,
            _ => throw new UnusableException($"holds {field} that is not text"),
        };

    private static bool IsNamed(JsonProperty property, string field) => property.Name.Equals(field, StringComparison.OrdinalIgnoreCase);

    private static bool IsNotUnicode(JsonProperty entry) => (PropertiesOf(entry.Value) ?? [])
        .Where(field => field.Value.ValueKind == JsonValueKind.String).Select(field => field.Value.GetString()!).Append(entry.Name)
        .Any(text => text.Contains(LenientJson.Replacement, StringComparison.Ordinal));

    private static string? NullIfEmpty(string text) => text == "" ? null : text;

    // The problem, to follow a secret's or an entry's name in a sentence. Contains nothing of the content and is caught in this class.
    private sealed class UnusableException(string message) : Exception(message);
}
