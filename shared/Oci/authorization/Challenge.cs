namespace Kuik.Oci;

/// <summary>One challenge of a <c>WWW-Authenticate</c> header (RFC 9110 section 11.6.1, formerly RFC 7235).</summary>
/// <param name="Scheme">In lower case: <c>basic</c>, <c>bearer</c>.</param>
/// <param name="Parameters">By lower-case name, unquoted.</param>
public sealed record Challenge(string Scheme, IReadOnlyDictionary<string, string> Parameters)
{
    /// <summary>A parameter, or null.</summary>
    public string? this[string name] => Parameters.GetValueOrDefault(name);

    /// <summary>All challenges of an answer, in order.</summary>
    public static IReadOnlyList<Challenge> From(HttpResponseMessage answer) =>
        answer.Headers.NonValidated.TryGetValues("WWW-Authenticate", out var headers) ? [.. headers.SelectMany(Parse)] : [];

    /// <summary>
    /// Reads the challenges of a header, of which there may be several in one value. An unreadable part ends the list: a server's
    /// mistake must not hide the challenges before it.
    /// </summary>
    /// <param name="header">For example <c>Bearer
    /// realm="https://auth.example/token",service="registry",scope="repository:a/b:pull"</c>.</param>
    public static IReadOnlyList<Challenge> Parse(string header)
    {
        var challenges = new List<Challenge>();
        Dictionary<string, string>? parameters = null;
        var at = 0;
        while (true)
        {
            // 1. Elements are separated by commas and white space, and may be empty.
            while (at < header.Length && (header[at] == ',' || char.IsWhiteSpace(header[at])))
                at++;
            var word = Token(header, ref at);
            if (word.Length == 0)
                return challenges;

            // 2. A token followed by = is a parameter of the challenge before it; any other begins a challenge.
            var end = at;
            SkipSpace(header, ref at);
            if (at < header.Length && header[at] == '=' && parameters is not null)
            {
                at++;
                SkipSpace(header, ref at);
                var value = at < header.Length && header[at] == '"' ? Quoted(header, ref at) : Unquoted(header, ref at);
                if (value is null)
                    return challenges;
                parameters.TryAdd(word.ToLowerInvariant(), value);
                continue;
            }
            if (at == end && at < header.Length && header[at] != ',')
                return challenges;
            parameters = [];
            challenges.Add(new Challenge(word.ToLowerInvariant(), parameters));
        }
    }

    private static void SkipSpace(string text, ref int at)
    {
        while (at < text.Length && char.IsWhiteSpace(text[at]))
            at++;
    }

    private static string Token(string text, ref int at)
    {
        var start = at;
        while (at < text.Length && (char.IsAsciiLetterOrDigit(text[at]) || "!#$%&'*+-.^_`|~".Contains(text[at])))
            at++;
        return text[start..at];
    }

    // A token by the specification; but some servers leave the quotes of an address out.
    private static string Unquoted(string text, ref int at)
    {
        var start = at;
        while (at < text.Length && text[at] != ',' && !char.IsWhiteSpace(text[at]))
            at++;
        return text[start..at];
    }

    private static string? Quoted(string text, ref int at)
    {
        var value = new System.Text.StringBuilder();
        for (at++; at < text.Length; at++)
        {
            if (text[at] == '"')
            {
                at++;
                return value.ToString();
            }
            if (text[at] == '\\' && at + 1 < text.Length)
                at++;
            value.Append(text[at]);
        }
        return null;
    }
}
