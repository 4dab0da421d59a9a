using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Kuik.Contracts;

/// <summary>
/// Reads regular expressions as v1 took them: Go's (RE2). One that is accepted means the same here for every image reference; one that
/// .NET reads differently, or does not know, and one that Go does not know, is refused. Some match more here, of what no image reference
/// has: <c>\d</c>, <c>\s</c> and <c>\w</c> characters outside ASCII, and <c>$</c> the place before a line feed at the very end.
/// </summary>
public static partial class GoExpression
{
    // Go refuses a repetition of more than 1000, nested ones included.
    private const int MostRepetitions = 1000;

    private const string Category = @"[pP]\{(?:C[cfos]?|L[lmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|S[ckmo]?|Z[lps]?)\}";

    // \< and \' begin a back-reference in .NET.
    private const string EscapedCharacter = @"[aftnrv]|x[0-9A-Fa-f]{2}|[\x20-\x7e-[0-9A-Za-z_<']]";

    private const string ClassItems = $@"(?>[^\]\\\[-]|-(?!\[)|\[(?!:)|\\(?:[dDsSwW]|{Category}|{EscapedCharacter}))*";

    private const string Flags = @"\?[ims]*(?:-[ims]+)?";

    private const string Number = "(?:1000|0|[1-9][0-9]{0,2})";

    /// <summary>Reads one. It is not anchored, matches in linear time, and is independent of the culture.</summary>
    /// <param name="text">As a person wrote it; an empty one matches everything.</param>
    /// <param name="expression">The expression; null when it cannot be used.</param>
    /// <param name="problem">The reason, a clause for a person; null when it can be used.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out Regex? expression, [NotNullWhen(false)] out string? problem)
    {
        expression = null;
        if (!TryTranslate(text, out var translated, out problem))
            return false;
        try
        {
            expression = new Regex(translated, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
            return true;
        }
        catch (Exception error) when (error is ArgumentException or NotSupportedException)
        {
            problem = error.Message;
            return false;
        }
    }

    private static bool TryTranslate(string text, out string translated, [NotNullWhen(false)] out string? problem)
    {
        var written = new StringBuilder(text.Length);
        var repetitions = new Repetitions();
        for (var at = 0; at < text.Length;)
        {
            var token = Token().Match(text, at);
            problem = !token.Success ? Unsupported(text, at)
                : !repetitions.TryAdd(token) ? $"it repeats something more than {MostRepetitions} times" : null;
            if (problem is not null)
            {
                translated = "";
                return false;
            }
            written.Append(token.Groups["name"] is { Success: true } name ? $"(?<{name.Value}>" : token.Value);
            at += token.Length;
        }
        (translated, problem) = (written.ToString(), null);
        return true;
    }

    private static string Unsupported(string text, int at)
    {
        if (text[at] == '[')
        {
            var start = at;
            at += ClassPrefix().Match(text, at).Length;
            if (at == text.Length)
                return $"the class at character {start + 1} does not end";
        }
        var construct = text.Substring(at, Math.Min(text[at] == '(' ? 3 : 2, text.Length - at));
        var instead = construct switch
        {
            "[:" => ": write [a-z] for [[:lower:]]",
            @"\Q" => ": escape the characters",
            _ => "",
        };
        return $"\"{construct}\" at character {at + 1} is not supported{instead}";
    }

    [GeneratedRegex($@"
        \G(?:
            \\(?:[AzbBdDsSwW]|{Category}|{EscapedCharacter})
          | \[\^?(?>\]?){ClassItems}\]
          | (?<open>\((?:\?P?<(?<name>[A-Za-z_][0-9A-Za-z_]*)>|{Flags}:|(?!\?)))
          | \({Flags}\)
          | (?<close>\))
          | (?<repeat>\{{(?<least>{Number})(?<most>,{Number}?)?\}})
          | \{{(?![0-9]+(?:,[0-9]*)?\}})
          | [^\\\[(){{\uD800-\uDFFF]
        )", RegexOptions.IgnorePatternWhitespace | RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex Token();

    [GeneratedRegex($@"\G\[\^?(?>\]?){ClassItems}")]
    private static partial Regex ClassPrefix();

    /// <summary>The repetitions of each group that is open, each the product of those nested in it.</summary>
    private sealed class Repetitions
    {
        private readonly Stack<int> _open = new();
        private int _inGroup = 1;
        private int _ofLast = 1;

        /// <summary>False when the token makes them too many.</summary>
        public bool TryAdd(Match token)
        {
            if (token.Groups["open"].Success)
            {
                _open.Push(_inGroup);
                (_inGroup, _ofLast) = (1, 1);
            }
            else if (token.Groups["close"].Success && _open.TryPop(out var outer))
            {
                (_inGroup, _ofLast) = (Math.Max(outer, _inGroup), _inGroup);
            }
            else if (token.Groups["repeat"].Success)
            {
                _ofLast *= Math.Max(1, CountOf(token));
                _inGroup = Math.Max(_inGroup, _ofLast);
            }
            else
            {
                _ofLast = 1;
            }
            return _ofLast <= MostRepetitions;
        }

        private static int CountOf(Match token)
        {
            var most = token.Groups["most"].Value.TrimStart(',');
            return int.Parse(most.Length > 0 ? most : token.Groups["least"].Value, CultureInfo.InvariantCulture);
        }
    }
}
