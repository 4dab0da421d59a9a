using Kuik.Contracts;
using Kuik.EventLog;
using MassTransit;

namespace Kuik.Expiry;

/// <summary>Records that nothing uses an image any more: from then on its expiry delay counts. Woken by PodGone and WorkloadGone; the sweep
/// finds what these missed.</summary>
public sealed class NoteUnused(EventLogTransactions transactions, SchedulingOptions scheduling, ExpiryMetrics metrics)
    : IConsumer<PodGone>, IConsumer<WorkloadGone>
{
    /// <summary>
    /// Counts from now, not from when the last user went: late is the safe side, and an image that was requested, pulled or released in
    /// between counts from then on as well. An image that a person requested by hand expires like any other.
    /// </summary>
    public static ImageUnused? Decide(ImageState image, bool isUsed, TimeSpan expiryDelay, DateTimeOffset now) =>
        image.CanBecomeUnused && !isUsed ? new ImageUnused(image.Image, now, now + expiryDelay) : null;

    /// <inheritdoc/>
    public Task Consume(ConsumeContext<PodGone> context) => Note(context.Message.Images, context);

    /// <inheritdoc/>
    public Task Consume(ConsumeContext<WorkloadGone> context) => Note(context.Message.Images, context);

    private async Task Note(IReadOnlyList<string> images, ConsumeContext context)
    {
        // Most images have other users: one question for all of them.
        var unused = await transactions.Execute(
            log => ImageUsers.Unused(log.Connection, images, context.CancellationToken), context.CancellationToken);
        foreach (var image in unused)
            await Note(image, context.MessageId, context.CancellationToken);
    }

    /// <summary>Looks at one image. True when it has been recorded.</summary>
    /// <param name="image">The normalised reference.</param>
    /// <param name="cause">The event that is the reason to look; null for none.</param>
    /// <param name="ct">Ends it.</param>
    public async Task<bool> Note(string image, Guid? cause, CancellationToken ct)
    {
        var isNoted = await transactions.Execute(async log =>
        {
            // With users the lock, which pods that start would wait for, is not taken.
            log.CausedBy(cause);
            if (await ImageUsers.IsUsed(log.Connection, image, ct))
                return false;
            await ImageLocks.TakeToExpire(log, image, ct);
            var isUsed = await ImageUsers.IsUsed(log.Connection, image, ct);
            var stream = await log.ReadImage(image, ct);
            if (Decide(stream.State, isUsed, scheduling.ExpiryDelay, await log.Now(ct)) is not { } unused)
                return false;
            stream.Append(unused);
            return true;
        }, ct);
        if (isNoted)
            metrics.CountDecision("unused");
        return isNoted;
    }
}
