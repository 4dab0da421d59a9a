using Kuik.Contracts;
using Kuik.EventLog;

namespace Kuik.Expiry;

/// <summary>
/// Announces again what should have been done by now: the broker may have lost the message, the image-fetcher that took it may be gone, or a
/// failed copy is due for another try. What is open is in the log; the broker's queues may be deleted at any time.
/// </summary>
public sealed class AnnounceAgain(EventLogTransactions transactions, ExpirySettings settings, TimeProvider time)
{
    /// <returns>A <see cref="FetchDue"/>, an <see cref="EvictionDue"/>, or null when nothing is due.</returns>
    public static object? Decide(ImageLife image, TimeSpan requestLease, DateTimeOffset now) => image switch
    {
        { OpenSince: not null } when !IsDue(image, requestLease, now) => null,
        { Standing: Standing.Wanted, OpenSince: { } since } => new FetchDue(image.Image, since, now),
        { Standing: Standing.Leaving, OpenSince: { } since } => new EvictionDue(image.Image, since, now),
        _ => null,
    };

    /// <summary>Looks at one image. True when something has been announced again.</summary>
    /// <param name="image">The normalised reference.</param>
    /// <param name="ct">Ends it.</param>
    public Task<bool> Run(string image, CancellationToken ct) => transactions.Run(async log =>
    {
        var stream = await log.Read(StreamName.OfImage(image), ImageLife.Nothing, ImageLife.Fold, ct);
        if (Decide(stream.State, settings.RequestLease, time.GetUtcNow()) is not { } due)
            return false;
        stream.Append(due);
        return true;
    }, ct);

    private static bool IsDue(ImageLife image, TimeSpan requestLease, DateTimeOffset now) =>
        (image.TakenUntil ?? image.AnnouncedAt + requestLease) <= now;
}
