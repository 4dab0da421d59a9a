using System.Text;

namespace Kuik.CommandLine.Output;

/// <summary>Text in columns, as kubectl prints it: a line of titles, and two spaces or more between columns.</summary>
/// <param name="titles">In upper case.</param>
internal sealed class Table(params string[] titles)
{
    private readonly List<string[]> _rows = [titles];

    /// <summary>Adds a row. Text of servers is printed in one line and without control characters and credentials.</summary>
    /// <param name="cells">One for each title; null and empty ones are blank.</param>
    public void Add(params string?[] cells) => _rows.Add([.. cells.Select(cell => Redaction.Of(cell ?? ""))]);

    /// <inheritdoc/>
    public override string ToString()
    {
        var widths = Enumerable.Range(0, titles.Length).Select(column => _rows.Max(row => row[column].Length)).ToArray();
        var text = new StringBuilder();
        foreach (var row in _rows)
        {
            var line = string.Join("  ", row.Select((cell, column) => cell.PadRight(widths[column])));
            text.Append(line.TrimEnd()).Append('\n');
        }
        return text.ToString();
    }
}
