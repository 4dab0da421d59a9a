using System.CommandLine;
using System.CommandLine.Parsing;
using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Audit;

/// <summary>Options and arguments that take a place in the log.</summary>
internal static class InstantOption
{
    /// <summary>An option with a place as its value; null by default.</summary>
    public static Option<Instant?> Option(string name, string description) => new(name)
    {
        Description = $"{description} ({Instant.Accepted})",
        HelpName = "time|sequence",
        CustomParser = Read,
    };

    /// <summary>An argument with a place as its value.</summary>
    public static Argument<Instant?> Argument(string name, string description) => new(name)
    {
        Description = $"{description} ({Instant.Accepted})",
        CustomParser = Read,
    };

    private static Instant? Read(ArgumentResult result)
    {
        var text = result.Tokens.Single().Value;
        if (Instant.Parse(text, TimeProvider.System.GetUtcNow(), TimeZoneInfo.Local) is { } instant)
            return instant;
        result.AddError($"'{text}' is not {Instant.Accepted}.");
        return null;
    }
}
