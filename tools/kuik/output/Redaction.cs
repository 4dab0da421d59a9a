using System.Text.RegularExpressions;

namespace Kuik.CommandLine.Output;

/// <summary>Removes credentials and control characters from text of servers before it is printed.</summary>
internal static partial class Redaction
{
    /// <summary>The text in one line, without the credentials of addresses, connection strings and headers.</summary>
    public static string Of(string text)
    {
        var line = string.Concat(text.ReplaceLineEndings(" ").Select(c => char.IsControl(c) ? ' ' : c)).Trim();
        line = UserInfo().Replace(line, "://(hidden)@");
        line = Assignment().Replace(line, "$1=(hidden)");
        return Header().Replace(line, "$1 (hidden)");
    }

    [GeneratedRegex(@"://[^/\s@]*@")]
    private static partial Regex UserInfo();

    [GeneratedRegex("""\b(password|pwd|passwd|secret|token)\s*=\s*("[^"]*"|'[^']*'|[^;,&\s]*)""", RegexOptions.IgnoreCase)]
    private static partial Regex Assignment();

    [GeneratedRegex(@"\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,}", RegexOptions.IgnoreCase)]
    private static partial Regex Header();
}
