using Kuik.Contracts;
using Kuik.EventLog;
using MassTransit;

namespace Kuik.Expiry;

/// <summary>
/// Announces what is due: a request whose message was lost, a copy or an eviction whose replica has ended, a failed copy whose next attempt
/// has come. What is open is in the work table; the broker's queues may be deleted at any time.
/// </summary>
public sealed class AnnounceDue(Npgsql.NpgsqlDataSource postgres, IBus bus, SchedulingOptions scheduling, ExpiryMetrics metrics, TimeProvider time)
{
    /// <summary>How many are announced at a time.</summary>
    private const int PageSize = 500;

    /// <summary>How long RabbitMQ may take to confirm a page.</summary>
    private static readonly TimeSpan ConfirmTimeout = TimeSpan.FromSeconds(10);

    /// <summary>Announces all that is due now. What RabbitMQ does not confirm is announced again after the request lease.</summary>
    /// <returns>How many.</returns>
    /// <exception cref="TimeoutException">RabbitMQ has not confirmed in time.</exception>
    public async Task<int> Run(CancellationToken ct)
    {
        for (var announced = 0; ;)
        {
            var due = await WorkTable.TakeDue(postgres, PageSize, scheduling.RequestLease, ct);
            await Publish(due, ct);
            announced += due.Count;
            if (due.Count < PageSize)
                return announced;
        }
    }

    private async Task Publish(IReadOnlyList<DueWork> due, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        using var timeout = new CancellationTokenSource(ConfirmTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, ct);
        try
        {
            await Task.WhenAll(due.Select(work => work.Kind == WorkKind.Fetch
                ? bus.Publish(new FetchDue(work.Image, work.DueSince, now), either.Token)
                : bus.Publish(new EvictionDue(work.Image, work.DueSince, now), either.Token)));
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            throw new TimeoutException($"RabbitMQ has not confirmed {due.Count} announcements within {ConfirmTimeout.TotalSeconds} s");
        }
        foreach (var kind in due.CountBy(work => work.Kind))
            metrics.CountAnnounced(kind.Key, kind.Value);
    }
}
