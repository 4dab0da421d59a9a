using System.Net;
using System.Threading.Channels;
using Kuik.Hosting;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>
/// Writes Kubernetes Events with best effort and a rate limit of its own: a failure is logged once for each cause, loses Events, and delays
/// nothing else. Thread-safe.
/// </summary>
internal sealed partial class EventRecorder(KubernetesApi api, WatcherMetrics metrics, TimeProvider time, ILogger<EventRecorder> logger)
{
    /// <summary>The limit of queued Events; beyond it the oldest ones are dropped.</summary>
    public const int QueueLimit = 1000;

    private const int PerSecond = 10;
    private const int Burst = 100;
    private const int Attempts = 3;
    private const int Remembered = 20_000;

    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);

    private readonly RateLimitedApi _api = new(api, new TokenBucket(PerSecond, Burst, time), metrics);
    private readonly BackOff _backOff = new(time);
    private readonly HashSet<string> _logged = [];
    private readonly Lock _gate = new();
    private readonly Dictionary<string, DateTimeOffset> _recorded = [];

    private readonly Channel<KubernetesEvent> _queue = Channel.CreateBounded<KubernetesEvent>(
        new BoundedChannelOptions(QueueLimit) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true },
        _ => metrics.CountWrite(nameof(KubernetesEvent), "dropped"));

    /// <summary>Queues an Event that has not been queued before; never waits.</summary>
    /// <returns>False when it has been queued before.</returns>
    public bool Record(KubernetesEvent happened)
    {
        var key = $"{happened.Metadata.Namespace}/{happened.Metadata.Name}";
        lock (_gate)
        {
            if (_recorded.TryGetValue(key, out var last) && (happened.IsOnce || happened.LastTimestamp <= last))
                return false;
            if (_recorded.Count >= Remembered)
                _recorded.Clear();   // an Event that is queued again is found by its name: one call, no change
            _recorded[key] = happened.LastTimestamp!.Value;
        }
        return _queue.Writer.TryWrite(happened);
    }

    /// <summary>Writes until cancelled.</summary>
    public async Task Run(CancellationToken ct)
    {
        await foreach (var happened in _queue.Reader.ReadAllAsync(ct))
            await TryWrite(happened, ct);
    }

    private async Task TryWrite(KubernetesEvent happened, CancellationToken ct)
    {
        for (var attempt = 1; attempt <= Attempts; attempt++)
        {
            try
            {
                await Write(happened, ct);
                _backOff.Reset();
                return;
            }
            catch (Exception fault) when (!ct.IsCancellationRequested)
            {
                var failure = Failure.From(fault);
                Log(failure, fault);
                if (!failure.IsShared)
                    break;
                await Task.Delay(failure.RetryAfter < LongestWait ? failure.RetryAfter.Value : _backOff.Next(), time, ct);
            }
        }
        metrics.CountWrite(nameof(KubernetesEvent), "dropped");
    }

    private async Task Write(KubernetesEvent happened, CancellationToken ct)
    {
        var all = KubernetesEvent.PathOf(happened.Metadata.Namespace!);
        try
        {
            if (!happened.IsOnce)
            {
                var later = new KubernetesEvent
                {
                    Metadata = new ObjectMeta(),
                    Count = happened.Count,
                    LastTimestamp = happened.LastTimestamp,
                    Message = happened.Message,
                };
                await _api.Merge($"{all}/{happened.Metadata.Name}", later, EventJson.Default.KubernetesEvent, ct);
                return;
            }
        }
        catch (KubernetesApiException refusal) when (refusal.Status == HttpStatusCode.NotFound)
        {
            // The first one of its cause, or the API server has removed it: after an hour, by default.
        }
        try
        {
            await _api.Create(all, happened, EventJson.Default.KubernetesEvent, ct);
        }
        catch (KubernetesApiException refusal) when (refusal.Status == HttpStatusCode.Conflict)
        {
            // Written before a restart, or by the leader before this one.
        }
    }

    private void Log(Failure failure, Exception fault)
    {
        if (!_logged.Add(failure.Kind))
            return;
        if (failure.Kind == "internal")
            LogInternal(fault);
        else
            LogNotWritten(failure.Reason);
    }

    [LoggerMessage(LogLevel.Warning, "a Kubernetes Event is not written ({Reason}); further ones with this cause are not logged")]
    private partial void LogNotWritten(string reason);

    [LoggerMessage(LogLevel.Error, "a Kubernetes Event was not written")]
    private partial void LogInternal(Exception fault);
}
