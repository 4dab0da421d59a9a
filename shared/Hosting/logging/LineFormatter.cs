using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Kuik.Hosting;

/// <summary>
/// Formats a log entry as one line: time (UTC), level, category, message, and the messages of an exception from the outside in. The stack
/// trace follows only when the category's level is Debug or lower: messages are for operators.
/// </summary>
internal static class LineFormatter
{
    /// <summary>The line with its line end.</summary>
    /// <param name="level">The entry's level.</param>
    /// <param name="category">The logger's category; only the part after its last dot is written.</param>
    /// <param name="message">May contain text of third parties.</param>
    /// <param name="exception">Null for none.</param>
    public static string Format(LogLevel level, string category, string message, Exception? exception)
    {
        var line = new StringBuilder(160);
        line.Append(DateTimeOffset.UtcNow.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture));
        line.Append(level switch
        {
            LogLevel.Critical => " CRIT ",
            LogLevel.Error => " ERROR ",
            LogLevel.Warning => " WARN ",
            LogLevel.Information => " INFO ",
            _ => " DEBUG ",
        });
        line.Append(category.AsSpan()[(category.LastIndexOf('.') + 1)..]).Append(": ").Append(OneLine(message));
        for (var e = exception; e is not null; e = e.InnerException)
            line.Append(": ").Append(e.GetType().Name).Append(": ").Append(OneLine(e.Message));
        line.AppendLine();
        if (exception is not null && level <= LogLevel.Debug)
            line.Append(exception).AppendLine();
        return line.ToString();
    }

    // It may contain text of a registry or a client: no line breaks, and no control characters that a terminal interprets.
    private static string OneLine(string text) => text.Any(IsUnfit) ? new string([.. text.Select(c => IsUnfit(c) ? ' ' : c)]) : text;

    // Separators, and the right-to-left override.
    private static bool IsUnfit(char c) => char.IsControl(c) || c is '\u2028' or '\u2029' or '\u202e';
}
