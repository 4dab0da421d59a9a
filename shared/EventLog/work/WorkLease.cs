using Kuik.Contracts;

namespace Kuik.EventLog;

/// <summary>The lease on a piece of work, by the database's clock.</summary>
/// <param name="Attempt">The number of its claim.</param>
/// <param name="By">The replica that holds it; null when it was released.</param>
/// <param name="IsLive">True until it expires.</param>
public sealed record WorkLease(long Attempt, string? By, bool IsLive)
{
    /// <summary>
    /// True when a replica works on the image's current claim and has renewed its lease recently. A claim of an earlier version has no
    /// lease in the work table, only the one in its event.
    /// </summary>
    /// <param name="image">Its state.</param>
    /// <param name="lease">The lease on that work; null for none.</param>
    /// <param name="now">UTC, by the database's clock.</param>
    public static bool IsHeld(ImageState image, WorkLease? lease, DateTimeOffset now) =>
        lease is { By: not null } && lease.Attempt == image.Attempt
            ? lease.IsLive
            : lease is not { Attempt: > 0 } && image.LeaseUntil > now;
}
