using System.Text;

namespace Kuik.Oci;

/// <summary>
/// Addresses that a registry gives (Location, Link, realm), resolved as RFC 3986 section 5.2 says and otherwise kept byte for byte: <see
/// cref="Uri"/> by itself decodes <c>%7E</c>, resolves <c>%2e%2e</c> and encodes <c>|</c>, and an address that is signed is not valid any
/// more then.
/// </summary>
public static class UriReference
{
    private static readonly UriCreationOptions Verbatim = new() { DangerousDisablePathAndQueryCanonicalization = true };

    /// <summary>The value of a redirect's Location as it was sent; null for any other answer.</summary>
    public static string? LocationOf(HttpResponseMessage answer) =>
        (int)answer.StatusCode is 301 or 302 or 303 or 307 or 308
            && answer.Headers.NonValidated.TryGetValues("Location", out var values) && values.First() is { Length: > 0 } location
                ? location
                : null;

    /// <summary>
    /// The absolute address that a reference names. Its fragment is dropped; spaces and what is not ASCII, which no request can hold, are
    /// percent-encoded.
    /// </summary>
    /// <param name="address">The base address.</param>
    /// <param name="reference">As the header holds it.</param>
    /// <exception cref="UriFormatException">No request can be sent there. The message names the cause and holds nothing of the
    /// reference.</exception>
    public static Uri Resolve(Uri address, string reference)
    {
        var text = reference.Trim(' ', '\t').Split('#')[0];
        if (text.Any(char.IsControl))
            throw new UriFormatException("it holds a control character");
        var absolute = HasScheme(text) ? text
            : text.StartsWith("//", StringComparison.Ordinal) ? $"{address.Scheme}:{text}"
            : address.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped) + text switch
            {
                "" => address.PathAndQuery,
                ['/', ..] => text,
                ['?', ..] => address.AbsolutePath + text,
                _ => Merge(address.AbsolutePath, text),
            };
        if (!Uri.TryCreate(WithPath(absolute), in Verbatim, out var resolved) || resolved.Host.Length == 0)
            throw new UriFormatException("it is no absolute address");
        return resolved.UserInfo.Length == 0 ? resolved : throw new UriFormatException("it holds a user name or a password");
    }

    /// <summary>An address with further fields of a query after its own, which stay as they are.</summary>
    /// <param name="address">As <see cref="Resolve"/> gives it.</param>
    /// <param name="fields">Encoded, joined with <c>&amp;</c>; may be empty.</param>
    public static Uri WithQuery(Uri address, string fields)
    {
        if (fields.Length == 0)
            return address;
        var separator = address.Query switch { "" => "?", "?" => "", _ => "&" };
        return new Uri(address.AbsoluteUri + separator + fields, in Verbatim);
    }

    private static bool HasScheme(string text)
    {
        var end = text.AsSpan().IndexOfAny(":/?");
        return end > 0 && text[end] == ':' && char.IsAsciiLetter(text[0]) && text.AsSpan(0, end).IndexOfAnyExcept(SchemeCharacters) < 0;
    }

    private static readonly System.Buffers.SearchValues<char> SchemeCharacters =
        System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-.");

    /// <summary>
    /// RFC 3986 sections 5.2.3 and 5.2.4: dot segments of a relative path are resolved, those of an absolute one are the server's.
    /// </summary>
    private static string Merge(string directory, string text)
    {
        var query = text.IndexOf('?') is >= 0 and var at ? at : text.Length;
        var segments = text[..query].Split('/');
        var path = directory[..(directory.LastIndexOf('/') + 1)];   // ends with a slash, as it does after each segment but the last
        for (var i = 0; i < segments.Length; i++)
        {
            var isLast = i == segments.Length - 1;
            path = segments[i] switch
            {
                "." => path,
                ".." => path[..(path.AsSpan(0, path.Length - 1).LastIndexOf('/') + 1)] is { Length: > 0 } parent ? parent : "/",
                var segment => path + segment + (isLast ? "" : "/"),
            };
        }
        return path + text[query..];
    }

    /// <summary>The address with a path, of bytes that a request line can hold.</summary>
    private static string WithPath(string absolute)
    {
        var authority = absolute.IndexOf("://", StringComparison.Ordinal);
        if (authority < 0)
            return absolute;
        var start = absolute.AsSpan(authority + 3).IndexOfAny('/', '?') is >= 0 and var at ? authority + 3 + at : absolute.Length;
        var target = absolute.AsSpan(start);
        var root = target is ['/', ..] ? "" : "/";
        return target.IndexOfAnyExceptInRange('!', '~') < 0 && root.Length == 0 ? absolute : absolute[..start] + root + Encode(target);
    }

    /// <summary>HttpClient reads Location as UTF-8 where it is that.</summary>
    private static string Encode(ReadOnlySpan<char> target)
    {
        var encoded = new StringBuilder(target.Length);
        foreach (var rune in target.EnumerateRunes())
            encoded.Append(rune.Value is >= '!' and <= '~' ? rune.ToString() : Uri.EscapeDataString(rune.ToString()));
        return encoded.ToString();
    }
}
