using System.Collections.Concurrent;
using Kuik.EventLog;
using Kuik.Hosting;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>
/// Takes keys from a queue and reconciles them, as in controller-runtime. A failed key waits while others are reconciled. When consecutive
/// failures mean that Postgres or the API is unreachable, all workers pause, longer each time up to 30 s. Only an event that this version
/// cannot read ends the controller.
/// </summary>
internal sealed partial class Controller(
    ControllerOptions options, WorkQueue queue, IReconciler reconciler, WatcherMetrics metrics, TimeProvider time,
    ILogger<Controller> logger)
{
    private readonly ConcurrentDictionary<string, bool> _said = new();
    private readonly Lock _gate = new();
    private readonly BackOff _backOff = new(time);
    private DateTimeOffset _pausedUntil = DateTimeOffset.MinValue;
    private int _sharedFailures;
    private volatile string _lastReason = "";

    /// <summary>The queue.</summary>
    public WorkQueue Queue => queue;

    /// <summary>The plural of its keys.</summary>
    public string What => options.What;

    /// <summary>The number of failed keys and the last reason, in one phrase; null when none has failed.</summary>
    public string? Problem => queue.Failing is > 0 and var failing ? $"{failing} {options.What} not up to date: {_lastReason}" : null;

    /// <summary>Runs until cancelled.</summary>
    /// <exception cref="Exception">The log holds an event that this version cannot read
    /// (<see cref="EventLogFault.MeansUnreadable"/>).</exception>
    public Task Run(CancellationToken ct) => TaskGroup.Run(ct, Enumerable.Repeat<Func<CancellationToken, Task>>(Work, options.Workers));

    private async Task Work(CancellationToken ct)
    {
        while (true)
        {
            if (Pause() is { } pause)
                await Task.Delay(pause, time, ct);
            var keys = await queue.Take(options.Batch, ct);
            try
            {
                await reconciler.Reconcile(keys, ct);
                Succeed(keys);
            }
            catch (Exception) when (ct.IsCancellationRequested)
            {
                throw new OperationCanceledException(ct);   // an interrupted call may throw various exceptions
            }
            catch (Exception fault) when (!EventLogFault.MeansUnreadable(fault))
            {
                Fail(keys, fault);
            }
        }
    }

    private TimeSpan? Pause()
    {
        lock (_gate)
            return _pausedUntil - time.GetUtcNow() is var left && left > TimeSpan.Zero ? left : null;
    }

    private void Succeed(IReadOnlyList<string> keys)
    {
        lock (_gate)
        {
            _sharedFailures = 0;
            _backOff.Reset();
        }
        foreach (var key in keys)
            queue.Done(key);
        if (queue.Failing == 0 && !_said.IsEmpty)
        {
            _said.Clear();
            LogUpToDate(options.What);
        }
    }

    private void Fail(IReadOnlyList<string> keys, Exception fault)
    {
        var failure = Failure.From(fault);
        _lastReason = failure.Reason;
        if (failure.IsShared)
        {
            lock (_gate)
            {
                // A single failure may be caused by its object; consecutive ones are an outage.
                if (++_sharedFailures >= options.Workers && time.GetUtcNow() is var now && now >= _pausedUntil)
                    _pausedUntil = now + _backOff.Next();
            }
        }
        metrics.CountFailure(options.What, failure.Kind, keys.Count);
        if (_said.TryAdd(failure.Kind, true))
        {
            if (failure.Kind == "internal")
                LogInternal(fault, options.What, keys[0]);
            else
                LogFailed(options.What, keys[0], failure.Reason);
        }
        foreach (var key in keys)
            queue.Retry(key, failure.RetryAfter);
    }

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "{What}: {Key} is not up to date ({Reason}); trying again with growing pauses, at least once a minute; further keys with "
            + "this cause are not logged")]
    private partial void LogFailed(string what, string key, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "{What}: {Key} failed; trying again with growing pauses, at least once a minute")]
    private partial void LogInternal(Exception fault, string what, string key);

    [LoggerMessage(Level = LogLevel.Information, Message = "{What}: all that had failed are up to date")]
    private partial void LogUpToDate(string what);
}
