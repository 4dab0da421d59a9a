using Kuik.Contracts;
using Kuik.EventLog;
using MassTransit;

namespace Kuik.PodWatcher;

/// <summary>
/// Decides what expiry proposes. Whether anything uses the image is asked of the cluster itself first, then of the usage table under the
/// image's lock: while it is held, no pod that starts to use the image can be recorded.
/// </summary>
internal sealed class DecideExpiry(LivePods livePods, EventLogTransactions transactions, TimeProvider time) : IConsumer<ExpiryProposed>
{
    /// <summary>The answer to a proposal; null when there is nothing left to decide.</summary>
    /// <param name="log">What the log says of the image.</param>
    /// <param name="proposal">What was proposed.</param>
    /// <param name="user">The uid of any pod that uses the image, by the cluster or by the usage table; null for none.</param>
    /// <param name="now">UTC.</param>
    public static object? Decide(ImageUse log, ExpiryProposed proposal, string? user, DateTimeOffset now)
    {
        if (!log.IsWanted || log.UnusedSince != proposal.UnusedSince)
            return null;   // decided already, used again since, or about an earlier time without users
        if (user is not null)
            return new ImageUsedAgain(proposal.Image, user, now);
        return log.IsRetained ? null : new ImageExpired(proposal.Image, now);
    }

    public async Task Consume(ConsumeContext<ExpiryProposed> context)
    {
        var (proposal, ct) = (context.Message, context.CancellationToken);
        var liveUser = (await livePods.UsersByImage(ct))[proposal.Image].FirstOrDefault();
        await transactions.Run(
            async log =>
            {
                log.CausedBy(context.MessageId);
                await ImageLocks.TakeToExpire(log, proposal.Image, ct);
                var stream = await log.Read(StreamName.OfImage(proposal.Image), ImageUse.Nothing, ImageUse.Fold, ct);
                var user = liveUser ?? (await ImageUsers.Of(log.Connection, proposal.Image, ct) is [var first, ..] ? first.PodUid : null);
                if (Decide(stream.State, proposal, user, time.GetUtcNow()) is { } fact)
                    stream.Append(fact);
            },
            ct);
    }
}
