using Kuik.Contracts;
using Kuik.EventLog;
using MassTransit;

namespace Kuik.Expiry;

/// <summary>Notes that nothing uses an image any more, from which moment its expiry delay counts. Woken by PodGone; the sweep finds what that missed.</summary>
public sealed class NoteUnused(EventLogTransactions transactions, ExpirySettings settings, TimeProvider time) : IConsumer<PodGone>
{
    /// <summary>
    /// Counts from now, not from when the last pod went: late is the safe side, and an image that was asked for, pulled or released in between counts
    /// from then on as well. An image that a person asked for by hand expires like any other.
    /// </summary>
    public static ImageUnused? Decide(ImageLife image, int users, TimeSpan expiryDelay, DateTimeOffset now) =>
        image.CanBecomeUnused && users == 0 ? new ImageUnused(image.Image, now, now + expiryDelay) : null;

    /// <inheritdoc/>
    public async Task Consume(ConsumeContext<PodGone> context)
    {
        foreach (var image in context.Message.Images)
            await Run(image, context.MessageId, context.CancellationToken);
    }

    /// <summary>Looks at one image. True when it has been noted.</summary>
    /// <param name="image">The normalised reference.</param>
    /// <param name="cause">The message that made us look, if one did.</param>
    /// <param name="ct">Ends it.</param>
    public Task<bool> Run(string image, Guid? cause, CancellationToken ct) => transactions.Run(async log =>
    {
        log.CausedBy(cause);
        // No pod can start to use the image between the count and the commit.
        await ImageLocks.TakeToExpire(log, image, ct);
        var users = await ImageUsers.Count(log.Connection, image, ct);
        var stream = await log.Read(StreamName.OfImage(image), ImageLife.Nothing, ImageLife.Fold, ct);
        if (Decide(stream.State, users, settings.ExpiryDelay, time.GetUtcNow()) is not { } unused)
            return false;
        stream.Append(unused);
        return true;
    }, ct);
}
