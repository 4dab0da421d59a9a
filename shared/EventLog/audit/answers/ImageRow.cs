using Kuik.Contracts;

namespace Kuik.EventLog.Audit;

/// <summary>An image in a list.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="Phase">Where it is in its life.</param>
/// <param name="Users">The number of pods and workloads that use it.</param>
public sealed record ImageRow(string Image, ImagePhase Phase, int Users)
{
    /// <summary>The digest of the copy; null for none.</summary>
    public string? Digest { get; init; }

    /// <summary>The size of the copy; null for none.</summary>
    public long? SizeInBytes { get; init; }

    /// <summary>UTC: when the copy was made; null for none.</summary>
    public DateTimeOffset? CachedAt { get; init; }

    /// <summary>It never expires.</summary>
    public bool IsRetained { get; init; }

    /// <summary>UTC; null while it is used.</summary>
    public DateTimeOffset? UnusedSince { get; init; }

    /// <summary>UTC: when it expires if nothing uses it until then, by the delay of that time; null while it is used.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>The reason of the last failed copy; null for none.</summary>
    public string? LastError { get; init; }

    /// <summary>UTC: the next attempt after it.</summary>
    public DateTimeOffset? RetryAt { get; init; }

    /// <summary>UTC: the last event that changed its state.</summary>
    public DateTimeOffset ChangedAt { get; init; }

    /// <summary>The name of its CachedImage.</summary>
    public string? ObjectName { get; init; }

    /// <summary>The row of an image.</summary>
    public static ImageRow Of(ImageRecord image, int users) => new(image.Image, image.State.Phase, users)
    {
        Digest = image.State.Digest,
        SizeInBytes = image.State.SizeInBytes,
        CachedAt = image.Cached?.CachedAt,
        IsRetained = image.State.IsRetained,
        UnusedSince = image.State.UnusedSince,
        ExpiresAt = image.Unused?.ExpiresAt,
        LastError = image.Failed is { } failed ? $"{failed.Kind}: {failed.Reason}" : null,
        RetryAt = image.State.RetryAt,
        ChangedAt = image.ChangedAt,
        ObjectName = image.State.ObjectName,
    };
}
