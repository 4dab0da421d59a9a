using Kuik.Contracts;
using Kuik.EventLog;
using MassTransit;
using Npgsql;

namespace Kuik.ImageFetcher;

/// <summary>
/// Announces, once after the start, the requests whose own message may have been published before the queue of this service existed:
/// RabbitMQ drops such a message. On a fresh installation the first images would otherwise wait a minute for expiry's announcement.
/// </summary>
internal sealed partial class MissedRequestAnnouncer(
    NpgsqlDataSource postgres, EventLogReady ready, IBusControl bus, TimeProvider time, ILogger<MissedRequestAnnouncer> logger)
        : BackgroundService
{
    /// <summary>The limit of requests. A queue with more unclaimed work has existed before, and holds the messages.</summary>
    private const int Most = 100;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await ready.Wait(stoppingToken);
        await bus.WaitForHealthStatus(BusHealthStatus.Healthy, stoppingToken);
        try
        {
            var missed = await UnclaimedRequests.Read(postgres, Most, stoppingToken);
            var now = time.GetUtcNow();
            await Task.WhenAll(missed.Select(request => bus.Publish(new FetchDue(request.Image, request.Due, now), stoppingToken)));
            if (missed.Count > 0)
                LogAnnounced(missed.Count);
        }
        catch (Exception fault) when (!stoppingToken.IsCancellationRequested)
        {
            LogPostponed(fault.Message);
        }
    }

    [LoggerMessage(LogLevel.Debug, "announced {Count} requests that are recorded and that no replica has taken yet")]
    private partial void LogAnnounced(int count);

    [LoggerMessage(LogLevel.Warning,
        "requests recorded before this start could not be announced ({Reason}); expiry announces them in a minute")]
    private partial void LogPostponed(string reason);
}
