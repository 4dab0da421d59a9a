using System.Globalization;
using System.Text;

namespace Kuik.Oci;

/// <summary>Text of third parties as it may be shown on a terminal, in a log or in a resource's status.</summary>
public static class PlainText
{
    /// <summary>
    /// The text with U+FFFD for every character that is not shown as itself: controls (C0 with escape and line ends, C1), formats (among
    /// them those that turn the direction of writing around), line separators and halves of surrogate pairs.
    /// </summary>
    public static string Of(string text) => text.All(IsOrdinary) ? text : Replace(text);

    private static bool IsOrdinary(char c) => c is >= ' ' and <= '~';

    private static string Replace(string text)
    {
        var plain = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())   // gives U+FFFD for half a pair
            plain.Append(IsShown(rune) ? rune.ToString() : Rune.ReplacementChar.ToString());
        return plain.ToString();
    }

    private static bool IsShown(Rune rune) => Rune.GetUnicodeCategory(rune) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
}
