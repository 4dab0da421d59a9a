using Kuik.Contracts;
using Kuik.EventLog;
using MassTransit;

namespace Kuik.Expiry;

/// <summary>
/// Announces work that is due: a request whose message was lost, a copy or an eviction whose replica has ended, the next attempt of a
/// failed copy. Open work is in the work table; the broker's queues may be deleted at any time.
/// </summary>
public sealed class DueWorkAnnouncer(Npgsql.NpgsqlDataSource postgres, IBus bus, SchedulingOptions scheduling, ExpiryMetrics metrics,
    TimeProvider time)
{
    /// <summary>The number of announcements in one batch.</summary>
    private const int PageSize = 500;

    /// <summary>The time limit for RabbitMQ's confirms of a batch.</summary>
    private static readonly TimeSpan ConfirmTimeout = TimeSpan.FromSeconds(10);

    /// <summary>
    /// When unannounced work becomes due again: another sweep finds it once RabbitMQ answers, not only after the request lease.
    /// </summary>
    private static readonly TimeSpan Unannounced = ConfirmTimeout * 2;

    /// <summary>
    /// Announces everything that is due now. Work that reaches a queue is announced again after the request
    /// lease, other work by another sweep.
    /// </summary>
    /// <returns>The number of announcements.</returns>
    /// <exception cref="TimeoutException">RabbitMQ has not confirmed in time.</exception>
    public async Task<int> Announce(CancellationToken ct)
    {
        var pause = Unannounced < scheduling.RequestLease ? Unannounced : scheduling.RequestLease;
        for (var announced = 0; ;)
        {
            var due = await WorkTable.TakeDue(postgres, PageSize, pause, ct);
            var published = await Publish(due, ct);
            if (published.Count > 0)
                await WorkTable.Postpone(postgres, published, scheduling.RequestLease, ct);
            announced += published.Count;
            if (due.Count < PageSize)
                return announced;
        }
    }

    /// <summary>Publishes announcements.</summary>
    /// <returns>The work that was queued.</returns>
    private async Task<IReadOnlyList<DueWork>> Publish(IReadOnlyList<DueWork> due, CancellationToken ct)
    {
        using var timeout = new CancellationTokenSource(ConfirmTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, ct);
        var isTaken = await Confirmed(due, either.Token, ct);
        foreach (var ((kind, isQueued), count) in due.Zip(isTaken, (work, taken) => (work.Kind, taken)).CountBy(each => each))
            metrics.CountAnnounced(kind, isQueued, count);
        return [.. due.Where((_, number) => isTaken[number])];
    }

    private async Task<bool[]> Confirmed(IReadOnlyList<DueWork> due, CancellationToken either, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        try
        {
            return await Task.WhenAll(due.Select(work => work.Kind == WorkKind.Fetch
                ? IsTaken(new FetchDue(work.Image, work.DueSince, now), either)
                : IsTaken(new EvictionDue(work.Image, work.DueSince, now), either)));
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            throw new TimeoutException($"RabbitMQ has not confirmed {due.Count} announcements within {ConfirmTimeout.TotalSeconds} s");
        }
    }

    // A broker that has lost its data confirms messages that it drops, until image-fetcher has declared its queue again.
    private async Task<bool> IsTaken<T>(T announcement, CancellationToken ct) where T : class
    {
        try
        {
            await bus.Publish(announcement, context => context.GetPayload<RabbitMqSendContext>().Mandatory = true, ct);
            return true;
        }
        catch (MessageReturnedException)
        {
            return false;
        }
    }
}
