using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Kuik.ImageFetcher;

/// <summary>
/// Parses JSON as Go's encoding/json does, which the kubelet and the registries' own clients use: bytes that are not UTF-8 and halves of
/// surrogate pairs become U+FFFD. <see cref="JsonDocument"/> by itself accepts both and throws later, from
/// <see cref="JsonElement.GetString"/> or <see cref="JsonProperty.Name"/>.
/// </summary>
internal static partial class LenientJson
{
    /// <summary>The replacement for text that is not Unicode.</summary>
    public const char Replacement = '\uFFFD';

    // Go's limit. The parser does not recurse, so depth costs no stack.
    private const int MaxDepth = 10_000;

    /// <summary>Parses a document, to be disposed of. Reading its text never throws.</summary>
    /// <param name="json">With or without a byte order mark.</param>
    /// <exception cref="JsonException">It is not JSON. The message may quote the content.</exception>
    public static JsonDocument Parse(ReadOnlySpan<byte> json) => Parse(Encoding.UTF8.GetString(json));

    /// <inheritdoc cref="Parse(ReadOnlySpan{byte})"/>
    public static JsonDocument Parse(string json) => JsonDocument.Parse(
        WithoutLoneSurrogates(json.StartsWith('\uFEFF') ? json[1..] : json), new JsonDocumentOptions { MaxDepth = MaxDepth });

    // Escapes occur in strings only, and are read from left to right: the second half of an escaped backslash begins nothing.
    private static string WithoutLoneSurrogates(string json) =>
        Escapes().Replace(json, escape => escape.Groups["lone"].Success ? @"\uFFFD" : escape.Value);

    [GeneratedRegex(
        @"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
        RegexOptions.Singleline)]
    private static partial Regex Escapes();
}
