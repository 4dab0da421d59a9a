using System.Collections.Concurrent;
using Kuik.EventLog;
using Kuik.Hosting;
using Kuik.Kubernetes;
using Npgsql;

namespace Kuik.PodWatcher;

/// <summary>
/// The pulls of each image as CachedImages show them. What nodes report each minute is read every ten minutes only, and the resources that
/// change by it are queued a few a second: pulls are no reason for a storm of writes.
/// </summary>
/// <param name="postgres">The event log.</param>
/// <param name="images">The queue of images whose resources are written.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Gets failures.</param>
internal sealed partial class PullCounts(NpgsqlDataSource postgres, WorkQueue images, TimeProvider time, ILogger<PullCounts> logger)
{
    /// <summary>The time between two readings.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMinutes(10);

    /// <summary>How many resources a second may change by it.</summary>
    public const int WritesPerSecond = 5;

    /// <summary>Reports are read again for so long: one may be stored after a later one was.</summary>
    private static readonly TimeSpan Overlap = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<string, ImagePullCount> _byImage = new();
    private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly HashSet<string> _changed = [];   // of readings that failed half-way too
    private DateTimeOffset _readUpTo = DateTimeOffset.UnixEpoch;

    /// <summary>Completes with the first reading. Resources that were written before it would lose what they say.</summary>
    public Task First => _first.Task;

    /// <summary>The pulls of an image at the last reading; null for none.</summary>
    public ImagePullCount? Find(string image) => _byImage.GetValueOrDefault(image);

    /// <summary>Forgets an image that has left the cache: its pulls are counted anew.</summary>
    public void Forget(string image) => _byImage.TryRemove(image, out _);

    /// <summary>Reads until cancelled.</summary>
    public async Task Run(CancellationToken ct)
    {
        var backOff = new BackOff(time);
        while (true)
        {
            try
            {
                await Read(ct);
                backOff.Reset();
                var next = Task.Delay(Interval, time, ct);
                if (_first.TrySetResult())
                    _changed.Clear();   // after a take-over, all resources are compared anyway
                await Queue(ct);
                await next;
            }
            catch (Exception fault) when (!ct.IsCancellationRequested)
            {
                LogFailed(Failure.From(fault).Reason);
                await backOff.Wait(ct);
            }
        }
    }

    /// <summary>Reads what was reported since the last reading.</summary>
    public async Task Read(CancellationToken ct)
    {
        var last = _readUpTo;
        await foreach (var one in ImagePulls.ReportedAfter(postgres, _readUpTo - Overlap, ct))
        {
            if (_byImage.GetValueOrDefault(one.Image)?.Count != one.Count)
                _changed.Add(one.Image);
            _byImage[one.Image] = one;
            last = one.ReportedAt;
        }
        _readUpTo = last;
    }

    private async Task Queue(CancellationToken ct)
    {
        while (_changed.Count > 0)
        {
            string[] some = [.. _changed.Take(WritesPerSecond)];
            images.Add(some, isUrgent: false);
            _changed.ExceptWith(some);
            await Task.Delay(TimeSpan.FromSeconds(1), time, ct);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "counted pulls cannot be read ({Reason}); trying again with growing pauses")]
    private partial void LogFailed(string reason);
}
