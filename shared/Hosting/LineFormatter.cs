using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Kuik.Hosting;

/// <summary>
/// One line an entry: time (UTC), level, category, message, and of an exception its messages from the outside in.
/// The stack trace follows only when the category's level is Debug or lower: a message is for the person who runs Kuik.
/// </summary>
internal static class LineFormatter
{
    /// <summary>The line with its line end.</summary>
    /// <param name="level">Of the entry.</param>
    /// <param name="category">Of the logger; only what follows its last dot is written.</param>
    /// <param name="message">Third parties may have written part of it.</param>
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

    // A registry or a client may have written part of it: no line of its own, and nothing that a terminal obeys.
    private static string OneLine(string text) => text.Any(IsUnfit) ? new string([.. text.Select(c => IsUnfit(c) ? ' ' : c)]) : text;

    private static bool IsUnfit(char c) => char.IsControl(c) || c is '\u2028' or '\u2029' or '\u202e';   // separators, and what turns the line around
}
