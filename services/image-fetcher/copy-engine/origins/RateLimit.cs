using System.Globalization;
using System.Net.Http.Headers;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>A rate limit as an origin reports it: Docker Hub's <c>RateLimit-Remaining: 76;w=21600</c>, GitLab's without a window.</summary>
/// <param name="Limit">In the origin's unit: pulls or requests.</param>
/// <param name="Remaining">In the same unit.</param>
/// <param name="Window">Null when the origin states none.</param>
internal sealed record RateLimit(long Limit, long Remaining, TimeSpan? Window)
{
    private static readonly string[] Prefixes = ["RateLimit-", "X-RateLimit-"];

    /// <summary>Parses response headers; null without a rate limit.</summary>
    public static RateLimit? From(HttpHeaders headers)
    {
        foreach (var prefix in Prefixes)
            if (Field(headers, prefix + "Limit") is { } limit && Field(headers, prefix + "Remaining") is { } remaining)
                return new RateLimit(limit.Number, remaining.Number, limit.Window ?? remaining.Window);
        return null;
    }

    public override string ToString() => Window is { } window
        ? $"{Remaining} of {Limit} per {Show(window)} left"
        : $"{Remaining} of {Limit} left";

    private static string Show(TimeSpan window) => window switch
    {
        _ when window.TotalHours >= 1 && window.Ticks % TimeSpan.TicksPerHour == 0 => $"{window.TotalHours:0} h",
        _ when window.TotalMinutes >= 1 && window.Ticks % TimeSpan.TicksPerMinute == 0 => $"{window.TotalMinutes:0} min",
        _ => $"{window.TotalSeconds:0} s",
    };

    // A number, perhaps with its window in seconds; if a registry lists several limits, the first is the nearest.
    private static (long Number, TimeSpan? Window)? Field(HttpHeaders headers, string name)
    {
        if (!headers.NonValidated.TryGetValues(name, out var values))
            return null;
        var parts = values.ToString().Split(',')[0].Split(';', StringSplitOptions.TrimEntries);
        if (!long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            return null;
        var window = parts.Skip(1).FirstOrDefault(part => part.StartsWith("w=", StringComparison.OrdinalIgnoreCase))?[2..];
        return (number, int.TryParse(window, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            ? TimeSpan.FromSeconds(seconds)
            : null);
    }
}
