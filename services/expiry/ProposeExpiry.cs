using Kuik.Contracts;
using Kuik.EventLog;

namespace Kuik.Expiry;

/// <summary>Asks pod-watcher to decide when an image has been unused for its whole delay: only pod-watcher can look at the live cluster.</summary>
public sealed class ProposeExpiry(EventLogTransactions transactions, ExpirySettings settings, TimeProvider time)
{
    /// <summary>Asks again when there has been no answer for as long as the lease: the question may have been lost, or pod-watcher away.</summary>
    public static ExpiryProposed? Decide(ImageLife image, TimeSpan requestLease, DateTimeOffset now) =>
        image is { UnusedSince: { } since, ExpiresAt: { } expiresAt, IsRetained: false }
        && expiresAt <= now && (image.ProposedAt is not { } asked || asked + requestLease <= now)
            ? new ExpiryProposed(image.Image, since, now)
            : null;

    /// <summary>Looks at one image. True when it has been proposed.</summary>
    /// <param name="image">The normalised reference.</param>
    /// <param name="ct">Ends it.</param>
    public Task<bool> Run(string image, CancellationToken ct) => transactions.Run(async log =>
    {
        var stream = await log.Read(StreamName.OfImage(image), ImageLife.Nothing, ImageLife.Fold, ct);
        if (Decide(stream.State, settings.RequestLease, time.GetUtcNow()) is not { } proposed)
            return false;
        stream.Append(proposed);
        return true;
    }, ct);
}
