namespace Kuik.Contracts;

/// <summary>Open work on an image, derived from its state: scheduling, which is no fact and is not in the log.</summary>
/// <param name="Kind">For example copying it.</param>
/// <param name="Due">UTC: when. For <see cref="WorkKind.Expire"/> from when the expiry delay counts. Null for at once.</param>
/// <param name="Attempt">The claim that is current; 0 when it is to be claimed.</param>
public sealed record ImageWork(WorkKind Kind, DateTimeOffset? Due, long Attempt)
{
    /// <summary>All that is open: copying, removing, or looking at the copy and at its origin; and whether it expires.</summary>
    public static IReadOnlyList<ImageWork> From(ImageState image)
    {
        var open = new List<ImageWork>(3);
        if (OfCache(image) is { } work)
            open.Add(work);
        if (image.IsCached)
            open.Add(new ImageWork(WorkKind.Refresh, image.RefreshRequestedAt, 0));
        if (image.CanExpire)
            open.Add(new ImageWork(WorkKind.Expire, image.IsForgotten ? null : image.UnusedSince, 0));
        return open;
    }

    private static ImageWork? OfCache(ImageState image) => image.Phase switch
    {
        ImagePhase.Wanted => new ImageWork(WorkKind.Fetch, null, 0),
        ImagePhase.Failed => new ImageWork(WorkKind.Fetch, image.RetryAt, 0),
        ImagePhase.Copying => new ImageWork(WorkKind.Fetch, image.LeaseUntil, image.Attempt),
        ImagePhase.Cached => new ImageWork(WorkKind.Verify, null, 0),
        ImagePhase.Leaving => new ImageWork(WorkKind.Evict, null, 0),
        ImagePhase.Removing => new ImageWork(WorkKind.Evict, image.LeaseUntil, image.Attempt),
        _ => null,
    };
}
