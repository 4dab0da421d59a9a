using System.Text.RegularExpressions;

namespace Kuik.CommandLine.Output;

/// <summary>Removes credentials and control characters from text of servers before it is printed.</summary>
internal static partial class Redaction
{
    /// <summary>The text in one line, without the credentials of addresses, connection strings and headers.</summary>
    public static string Of(string text)
    {
        var line = string.Concat(text.ReplaceLineEndings(" ").Select(c => char.IsControl(c) ? ' ' : c)).Trim();
        // Each cell of each table comes here, and hardly one has any of these: an expression costs milliseconds at its first use.
        if (line.Contains("://", StringComparison.Ordinal))
            line = UserInfo().Replace(line, "://(hidden)@");
        if (line.Contains('=', StringComparison.Ordinal))
            line = Assignment().Replace(line, "$1=(hidden)");
        return Names.Any(name => line.Contains(name, StringComparison.OrdinalIgnoreCase))
            ? Header().Replace(line, "$1 (hidden)")
            : line;
    }

    private static readonly string[] Names = ["bearer", "basic"];

    [GeneratedRegex(@"://[^/\s@]*@")]
    private static partial Regex UserInfo();

    [GeneratedRegex("""\b(password|pwd|passwd|secret|token)\s*=\s*("[^"]*"|'[^']*'|[^;,&\s]*)""", RegexOptions.IgnoreCase)]
    private static partial Regex Assignment();

    [GeneratedRegex(@"\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,}", RegexOptions.IgnoreCase)]
    private static partial Regex Header();
}
