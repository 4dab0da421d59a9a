using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Hosting;
using Kuik.Kubernetes;
using Npgsql;

namespace Kuik.PodWatcher;

/// <summary>The evidence for a decision about the expiry of an image.</summary>
/// <param name="LiveUser">The user key of a pod or workload that uses the image, from complete lists of the cluster; null for none.</param>
/// <param name="RecordedUser">The user key of a pod or workload that uses the image, from the usage table under the image's lock; null for
/// none.</param>
/// <param name="ExpiryDelay">The current delay.</param>
/// <param name="PodsListedAt">The resourceVersion of the list of pods.</param>
internal sealed record ExpiryEvidence(string? LiveUser, string? RecordedUser, TimeSpan ExpiryDelay, string PodsListedAt)
{
    /// <summary>The cache is too large, and the image has to leave if it is unused: no delay counts.</summary>
    public bool IsOverLimit { get; init; }
}

/// <summary>
/// Decides which images expire, for every cause: the delay is over, the time of <c>spec.expiresAt</c> has come, the cache
/// is too large, or the resource was deleted. Only the leader decides, and only while
/// its observation of the event log's own cluster is complete and recent. Each batch of due images is decided by one quorum list of pods
/// and followed workloads.
/// <para>1. Check that the observation is current. 2. Read the due images. 3. List pods and workloads. 4. Decide each image under its
/// lock.</para>
/// </summary>
internal sealed partial class ImageExpiryService(
    ClusterObservation observation, LiveUserLister liveUserLister, EventLogTransactions transactions, NpgsqlDataSource postgres,
    EventLogReady ready, SchedulingOptions scheduling, CacheLimitMonitor limit, WatcherMetrics metrics, TimeProvider time,
    ILogger<ImageExpiryService> logger) : BackgroundService
{
    /// <summary>The limit of images that are decided by one list of pods.</summary>
    private const int BatchSize = 500;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private string? _problem;

    /// <summary>The event to append; null when the image does not expire now.</summary>
    /// <param name="image">The state of the image.</param>
    /// <param name="evidence">Its users, as far as they are known.</param>
    /// <param name="now">UTC, by the database's clock.</param>
    public static object? Decide(ImageState image, ExpiryEvidence evidence, DateTimeOffset now)
    {
        if (!image.CanExpire)
            return null;   // meanwhile decided, used again, requested or retained
        if ((evidence.RecordedUser ?? evidence.LiveUser) is { } user)
            return new ImageUsedAgain(image.Image, UserKey.UidOf(user), now) { WorkloadKind = UserKey.KindOf(user) };
        var delay = image.IsForgotten || image.ExpiresAt is not null ? (TimeSpan?)null : evidence.ExpiryDelay;
        var isEarly = !image.IsForgotten && (image.ExpiresAt ?? image.UnusedSince + delay) > now;
        if (isEarly && !(evidence.IsOverLimit && image.IsCached))
            return null;
        return new ImageExpired(image.Image, now)
        {
            Reason = isEarly ? "cache-limit" : image.IsForgotten ? "forgotten" : delay is null ? "expires-at" : "unused",
            UnusedSince = image.UnusedSince,
            Delay = isEarly ? null : delay,
            PodsListedAt = evidence.PodsListedAt,
        };
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await ready.Wait(stoppingToken);
        var pause = new BackOff(time);
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (await Pass(stoppingToken) < BatchSize)
                    await Task.Delay(Interval, time, stoppingToken);
                pause.Reset();
                _problem = null;
            }
            catch (Exception fault) when (!stoppingToken.IsCancellationRequested && IsOutside(fault))
            {
                var reason = EventLogFault.IsOfPostgres(fault) ? EventLogFault.ReasonOf(fault) : fault.Message;
                if (_problem != reason)
                    LogPutOff(reason);
                _problem = reason;
                await pause.Wait(stoppingToken);
            }
        }
    }

    /// <summary>Decides one batch of due images.</summary>
    /// <returns>The number of images that were due.</returns>
    public async Task<int> Pass(CancellationToken ct)
    {
        // 1. and 2.
        if (!observation.IsCurrent(out _))
        {
            limit.Suspend();
            return 0;
        }
        var due = await WorkTable.Expiring(postgres, scheduling.ExpiryDelay, BatchSize, ct);
        var over = (await limit.FindLeaving(ct)).ToHashSet();
        IReadOnlyList<string> images = [.. due.Union(over).Take(BatchSize)];
        if (images.Count == 0)
            return 0;

        // 3. The list begins after the due images were read: a pod that is not in it began to use an image later, and is recorded later.
        var pods = await liveUserLister.List(ct);

        // 4.
        foreach (var image in images)
        {
            if (!observation.IsCurrent(out _))
                return 0;
            await Decide(image, over.Contains(image), pods, ct);
        }
        return due.Count;
    }

    private async Task Decide(string image, bool isOverLimit, LiveUserList pods, CancellationToken ct)
    {
        var fact = await transactions.Execute(
            async log =>
            {
                await ImageLocks.TakeToExpire(log, image, ct);
                var recorded = await ImageUsers.FirstOf(log.Connection, image, ct);
                var stream = await log.ReadImage(image, ct);
                var live = pods.UidsByImage[image].FirstOrDefault();
                var evidence = new ExpiryEvidence(live, recorded, scheduling.ExpiryDelay, pods.ResourceVersion)
                {
                    IsOverLimit = isOverLimit,
                };
                if (Decide(stream.State, evidence, await log.Now(ct)) is { } decided)
                    stream.Append(decided);
                else
                    await log.RepairWork(image, ct);
                return stream.LastAppended;
            },
            ct);
        if (fact is ImageExpired expired)
            LogExpired(image, expired.Reason!);
        metrics.CountDecision(fact is null ? "nothing" : fact is ImageExpired ? "expired" : "used-again");
    }

    private static bool IsOutside(Exception fault) =>
        EventLogFault.MeansAway(fault)
            || fault is KubernetesApiException or HttpRequestException or IOException or TimeoutException or OperationCanceledException;

    [LoggerMessage(LogLevel.Information, "{Image} expires ({Reason}): nothing uses it")]
    private partial void LogExpired(string image, string reason);

    [LoggerMessage(LogLevel.Warning, "no image expires until this is over: {Reason}")]
    private partial void LogPutOff(string reason);
}
