using System.Globalization;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Kuik.Hosting;

/// <summary>
/// One line an entry: time (UTC), level, category, message, and of an exception its messages from the outside in.
/// The stack trace follows only when the category's level is Debug or lower: a message is for the person who runs Kuik.
/// </summary>
internal sealed class LineFormatter() : ConsoleFormatter(Id)
{
    public const string Id = "kuik";

    public override void Write<TState>(in LogEntry<TState> entry, IExternalScopeProvider? scopes, TextWriter output)
    {
        output.Write(DateTimeOffset.UtcNow.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture));
        output.Write(entry.LogLevel switch
        {
            LogLevel.Critical => " CRIT ",
            LogLevel.Error => " ERROR ",
            LogLevel.Warning => " WARN ",
            LogLevel.Information => " INFO ",
            _ => " DEBUG ",
        });
        output.Write(entry.Category.AsSpan()[(entry.Category.LastIndexOf('.') + 1)..]);
        output.Write(": ");
        output.Write(OneLine(entry.Formatter(entry.State, null)));
        for (var e = entry.Exception; e is not null; e = e.InnerException)
            output.Write($": {e.GetType().Name}: {OneLine(e.Message)}");
        output.WriteLine();
        if (entry.Exception is { } fault && entry.LogLevel <= LogLevel.Debug)
            output.WriteLine(fault);
    }

    // A registry or a client may have written part of it: no line of its own, and nothing that a terminal obeys.
    private static string OneLine(string text) => text.Any(IsUnfit) ? new string([.. text.Select(c => IsUnfit(c) ? ' ' : c)]) : text;

    private static bool IsUnfit(char c) => char.IsControl(c) || c is '\u2028' or '\u2029' or '\u202e';   // separators, and what turns the line around
}
