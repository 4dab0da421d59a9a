namespace Kuik.EventLog.Audit;

/// <summary>Shortens text of servers and lists of names for a table.</summary>
public static class Excerpt
{
    private const int Longest = 300;
    private const int MostNames = 5;

    /// <summary>The first 300 characters, in one line.</summary>
    public static string Of(string text)
    {
        var line = text.ReplaceLineEndings(" ").Trim();
        return line.Length <= Longest ? line : line[..Longest] + "…";
    }

    /// <summary>The first five names, and how many more there are.</summary>
    public static string Of(IReadOnlyCollection<string> names) =>
        string.Join(", ", names.Take(MostNames)) + (names.Count > MostNames ? $" and {names.Count - MostNames} more" : "");
}
