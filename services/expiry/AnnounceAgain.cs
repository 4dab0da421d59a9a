using Kuik.Contracts;
using Kuik.EventLog;

namespace Kuik.Expiry;

/// <summary>
/// Announces again what should have been done by now: the broker may have lost the message, the image-fetcher that took it may be gone, or a
/// failed copy is due for another try. What is open is in the log; the broker's queues may be deleted at any time.
/// </summary>
public sealed class AnnounceAgain(EventLogTransactions transactions, ExpirySettings settings, TimeProvider time)
{
    /// <summary>
    /// After how long something that nobody has taken is announced for the second time. Sooner than the lease, because on a fresh installation, or after the broker
    /// has lost its data, the first announcement may have come before the consumer's queue: then the broker drops it.
    /// </summary>
    public static readonly TimeSpan SecondAnnouncement = TimeSpan.FromMinutes(1);

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

    /// <summary>How long what has been announced once may stay open.</summary>
    public static TimeSpan SecondPatience(TimeSpan requestLease) => SecondAnnouncement < requestLease ? SecondAnnouncement : requestLease;

    private static bool IsDue(ImageLife image, TimeSpan requestLease, DateTimeOffset now)
    {
        var patience = image.AnnouncedAt == image.OpenSince ? SecondPatience(requestLease) : requestLease;
        return (image.TakenUntil ?? image.AnnouncedAt + patience) <= now;
    }
}
