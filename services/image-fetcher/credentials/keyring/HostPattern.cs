namespace Kuik.ImageFetcher;

/// <summary>
/// Matches one label of a host against a shell pattern, as Go's <c>path.Match</c> does for the kubelet: <c>*</c>, <c>?</c>, <c>[a-z]</c>,
/// <c>[^a-z]</c>, and <c>\</c> before a literal character. Takes no more time than the product of both lengths: a secret has room for
/// thousands of patterns, and each is tried at each pull.
/// </summary>
internal static class HostPattern
{
    /// <summary>True when the whole label matches; false for a pattern that is malformed, such as <c>[a</c> or <c>[z-a]</c>.</summary>
    public static bool IsMatch(ReadOnlySpan<char> pattern, ReadOnlySpan<char> label)
    {
        // After a mismatch, the last star takes one more character: going back to earlier stars cannot help.
        var (at, from, star, taken) = (0, 0, -1, 0);
        while (from < label.Length)
        {
            if (at < pattern.Length && pattern[at] == '*')
                (star, taken, at) = (at, from, at + 1);
            else if (at < pattern.Length && Step(pattern[at..], label[from]) is > 0 and var length)
                (at, from) = (at + length, from + 1);
            else if (star >= 0)
                (at, from) = (star + 1, ++taken);
            else
                return false;
        }
        return pattern[at..].TrimStart('*').IsEmpty;
    }

    /// <summary>The length of the pattern's first element if it matches this character; otherwise 0.</summary>
    private static int Step(ReadOnlySpan<char> pattern, char character) => pattern[0] switch
    {
        '?' => 1,
        '[' => StepClass(pattern, character),
        '\\' => pattern.Length > 1 && pattern[1] == character ? 2 : 0,
        var literal => literal == character ? 1 : 0,
    };

    private static int StepClass(ReadOnlySpan<char> pattern, char character)
    {
        var at = 1;
        var isNegated = at < pattern.Length && pattern[at] == '^';
        at += isNegated ? 1 : 0;
        var isIn = false;
        for (var first = true; at < pattern.Length && (first || pattern[at] != ']'); first = false)
        {
            if (!TryReadEnd(pattern, ref at, out var low))
                return 0;
            var high = low;
            if (at < pattern.Length && pattern[at] == '-')
            {
                at++;
                if (!TryReadEnd(pattern, ref at, out high))
                    return 0;
            }
            isIn |= low <= character && character <= high;
        }
        return at < pattern.Length && isIn != isNegated ? at + 1 : 0;
    }

    // One end of a range, which cannot be a bare ']' or '-'.
    private static bool TryReadEnd(ReadOnlySpan<char> pattern, ref int at, out char end)
    {
        end = '\0';
        if (at < pattern.Length && pattern[at] is ']' or '-')
            return false;
        if (at < pattern.Length && pattern[at] == '\\')
            at++;
        if (at >= pattern.Length)
            return false;
        end = pattern[at++];
        return true;
    }
}
