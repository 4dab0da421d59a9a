using Kuik.Contracts;
using Kuik.ImageFetcher.CopyEngine;

namespace Kuik.ImageFetcher;

/// <summary>The answer of an origin that was asked for a cached image.</summary>
/// <param name="Kind">As in <see cref="OriginChecked.Answer"/>.</param>
public sealed record OriginAnswer(string Kind)
{
    /// <summary>The image that the tag names now, which is in the cache; null where nothing was copied.</summary>
    public CopiedImage? Copy { get; init; }

    /// <summary>One sentence; null when it was served.</summary>
    public string? Reason { get; init; }

    /// <summary>The wait that the origin asked for; null for none.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>UTC, by Postgres' clock: it was asked after this.</summary>
    public DateTimeOffset? AskedAt { get; init; }

    /// <summary>It stands; else the origin is asked again soon.</summary>
    public bool IsFinal => OriginAnswers.IsFinal(Kind);
}
