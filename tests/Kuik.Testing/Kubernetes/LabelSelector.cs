namespace Kuik.Testing;

/// <summary>A label selector of equality: <c>key</c>, <c>!key</c>, <c>key=value</c>, <c>key!=value</c>, several with commas between
/// them.</summary>
/// <param name="text">As in the query; null or empty selects everything.</param>
internal sealed class LabelSelector(string? text)
{
    private readonly (string Key, string? Value, bool IsWanted)[] _terms =
        [.. (text ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries).Select(Term)];

    public bool Selects(IReadOnlyDictionary<string, string> labels)
    {
        foreach (var (key, value, isWanted) in _terms)
        {
            var isThere = labels.TryGetValue(key, out var actual) && (value is null || actual == value);
            if (isThere != isWanted)
                return false;
        }
        return true;
    }

    private static (string Key, string? Value, bool IsWanted) Term(string term)
    {
        if (term.Split("!=") is [var unwantedKey, var unwanted])
            return (unwantedKey, unwanted, false);
        if (term[0] == '!')
            return (term[1..], null, false);
        return term.Split('=', 2) is [var key, var value] ? (key, value.TrimStart('='), true) : (term, null, true);
    }
}
