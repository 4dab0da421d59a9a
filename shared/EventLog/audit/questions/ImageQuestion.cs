using System.IO.Enumeration;
using Kuik.Contracts;

namespace Kuik.EventLog.Audit;

/// <summary>The images to list; by default those that have not left the cache.</summary>
public sealed record ImageQuestion
{
    /// <summary>Only references that match (<see cref="Matches"/>); null for all.</summary>
    public string? Pattern { get; init; }

    /// <summary>Only images of this phase; null for all.</summary>
    public ImagePhase? Phase { get; init; }

    /// <summary>Only images without users. Default false.</summary>
    public bool IsUnused { get; init; }

    /// <summary>Only images that never expire. Default false.</summary>
    public bool IsRetained { get; init; }

    /// <summary>Also images that have left the cache. Default false.</summary>
    public bool All { get; init; }

    /// <summary>Only images that a pod or workload of this namespace uses now; null for all.</summary>
    public string? Namespace { get; init; }

    /// <summary>The place in the log; null for its end. A past place folds the log, and has no namespace and no pages.</summary>
    public Instant? At { get; init; }

    /// <summary>Only references after this one; empty for all.</summary>
    public string After { get; init; } = "";

    /// <summary>The number of images that are looked at; null for all.</summary>
    public int? Limit { get; init; }

    /// <summary>True when the row is asked for.</summary>
    public bool Covers(ImageRow row) =>
        (All || Phase is not null || row.Phase is not (ImagePhase.Gone or ImagePhase.Unknown))
        && (Phase is not { } phase || row.Phase == phase)
        && (!IsUnused || row.Users == 0)
        && (!IsRetained || row.IsRetained)
        && (Pattern is not { } pattern || Matches(pattern, row.Image));

    /// <summary>True when the name matches; * stands for any text, also for none. Without a star, any part of it does.</summary>
    public static bool Matches(string pattern, string name) => FileSystemName.MatchesSimpleExpression(
        pattern.Contains('*', StringComparison.Ordinal) ? pattern : $"*{pattern}*", name, ignoreCase: false);
}
