using Kuik.Hosting;

namespace Kuik.Kubernetes;

/// <summary>
/// The keys of objects to reconcile, with the semantics of client-go's work queue: first in, first out; each key is queued at most
/// once and never taken twice at the same time (a key that is added while it is taken is queued again when it is done); a failed
/// key waits, twice as long each time, while others are processed. Urgent keys go before the others, of which every fourth turn
/// takes one all the same. Thread-safe.
/// </summary>
public sealed class WorkQueue : IDisposable
{
    private const int TurnsPerOther = 4;
    private const int TrimAbove = 4096;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, WorkQueueEntry> _entries = [];
    private readonly Queue<string> _urgent = [];
    private readonly Queue<string> _others = [];
    private readonly PriorityQueue<string, DateTimeOffset> _waiting = new();
    private readonly WorkQueueOptions _options;
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private TaskCompletionSource _ready = NewSignal();
    private int _turn;
    private int _failing;

    /// <summary>An empty queue.</summary>
    /// <param name="time">The clock.</param>
    /// <param name="options">Null: the defaults.</param>
    public WorkQueue(TimeProvider time, WorkQueueOptions? options = null)
    {
        (_time, _options) = (time, options ?? new WorkQueueOptions());
        _timer = time.CreateTimer(_ => TakeInWhatIsDue(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>The number of keys that are queued, waiting or taken.</summary>
    public int Depth
    {
        get
        {
            lock (_gate)
                return _entries.Count;
        }
    }

    /// <summary>The number of keys that failed the last time.</summary>
    public int Failing
    {
        get
        {
            lock (_gate)
                return _failing;
        }
    }

    /// <summary>UTC: the time since which the oldest key is not done; null when there is none.</summary>
    public DateTimeOffset? OldestSince
    {
        get
        {
            lock (_gate)
                return _entries.Count == 0 ? null : _entries.Values.Min(entry => entry.Since);
        }
    }

    /// <summary>Queues a key unless it is queued. A failed key keeps waiting.</summary>
    /// <param name="key">The object to reconcile.</param>
    /// <param name="isUrgent">True: it goes before keys that are not urgent.</param>
    public void Add(string key, bool isUrgent = true)
    {
        lock (_gate)
        {
            if (!_entries.TryGetValue(key, out var entry))
            {
                _entries.Add(key, entry = new WorkQueueEntry { Since = _time.GetUtcNow(), IsUrgent = isUrgent });
                Schedule(key, entry, _options.Gather);
            }
            else if (entry.Place == WorkQueuePlace.Taken)
            {
                entry.AddedAgain ??= _time.GetUtcNow();
                entry.IsUrgent |= isUrgent;
            }
            else if (isUrgent && !entry.IsUrgent)
            {
                entry.IsUrgent = true;
                if (entry.Place == WorkQueuePlace.Queued)
                    _urgent.Enqueue(key);   // its entry in the other queue is skipped
            }
        }
    }

    /// <summary>Queues several keys.</summary>
    public void Add(IEnumerable<string> keys, bool isUrgent = true)
    {
        foreach (var key in keys)
            Add(key, isUrgent);
    }

    /// <summary>
    /// Waits for keys and takes them: each has to be passed to <see cref="Done"/> or <see cref="Retry"/>. A failed key is taken alone.
    /// </summary>
    /// <param name="atMost">The limit of keys; at least 1.</param>
    /// <param name="ct">Cancels the wait.</param>
    public async Task<IReadOnlyList<string>> Take(int atMost, CancellationToken ct)
    {
        while (true)
        {
            Task ready;
            lock (_gate)
            {
                if (TakeQueued(atMost) is { Count: > 0 } taken)
                    return taken;
                if (_ready.Task.IsCompleted)
                    _ready = NewSignal();
                ready = _ready.Task;
            }
            await ready.WaitAsync(ct);
        }
    }

    /// <summary>Marks a taken key as processed: its next failure is the first one again.</summary>
    public void Done(string key)
    {
        lock (_gate)
        {
            var entry = _entries[key];
            CountFailing(entry, 0);
            if (entry.AddedAgain is { } since)
            {
                (entry.Since, entry.AddedAgain) = (since, null);
                Schedule(key, entry, _options.Gather);
            }
            else
            {
                _entries.Remove(key);
                Trim();
            }
        }
    }

    /// <summary>Marks a taken key as failed: it is queued again later.</summary>
    /// <param name="key">The key.</param>
    /// <param name="notBefore">The minimum wait, if the server named one
    /// (<see cref="KubernetesApiException.RetryAfter"/>); otherwise null.</param>
    public void Retry(string key, TimeSpan? notBefore = null)
    {
        lock (_gate)
        {
            var entry = _entries[key];
            CountFailing(entry, entry.Failures + 1);
            entry.AddedAgain = null;
            entry.IsUrgent = true;   // it has waited
            var wait = BackOff.Delay(entry.Failures, _options.FirstRetry, _options.LongestRetry);
            Schedule(key, entry, notBefore > wait ? notBefore.Value : wait);
        }
    }

    public void Dispose() => _timer.Dispose();

    private List<string> TakeQueued(int atMost)
    {
        var taken = new List<string>();
        var isOthersTurn = ++_turn % TurnsPerOther == 0;
        TakeFrom(isOthersTurn ? _others : _urgent, !isOthersTurn, atMost, taken);
        if (taken.Count == 0)
            TakeFrom(isOthersTurn ? _urgent : _others, isOthersTurn, atMost, taken);
        return taken;
    }

    private void TakeFrom(Queue<string> line, bool isUrgent, int atMost, List<string> taken)
    {
        while (taken.Count < atMost && line.TryPeek(out var key))
        {
            var isHere = _entries.TryGetValue(key, out var entry) && entry.Place == WorkQueuePlace.Queued && entry.IsUrgent == isUrgent;
            if (isHere && entry!.Failures > 0 && taken.Count > 0)
                return;
            line.Dequeue();
            if (!isHere)
                continue;
            entry!.Place = WorkQueuePlace.Taken;
            entry.IsUrgent = false;
            taken.Add(key);
            if (entry.Failures > 0)
                return;
        }
    }

    private void Schedule(string key, WorkQueueEntry entry, TimeSpan wait)
    {
        if (wait <= TimeSpan.Zero)
        {
            Enqueue(key, entry);
            return;
        }
        (entry.Place, entry.Due) = (WorkQueuePlace.Waiting, _time.GetUtcNow() + wait);
        _waiting.Enqueue(key, entry.Due);
        if (_waiting.Peek() == key)
            _timer.Change(wait, Timeout.InfiniteTimeSpan);
    }

    private void TakeInWhatIsDue()
    {
        lock (_gate)
        {
            var now = _time.GetUtcNow();
            while (_waiting.TryPeek(out var key, out var due))
            {
                if (due > now)
                {
                    _timer.Change(due - now, Timeout.InfiniteTimeSpan);
                    return;
                }
                _waiting.Dequeue();
                if (_entries.TryGetValue(key, out var entry) && entry.Place == WorkQueuePlace.Waiting && entry.Due == due)
                    Enqueue(key, entry);
            }
        }
    }

    private void Enqueue(string key, WorkQueueEntry entry)
    {
        entry.Place = WorkQueuePlace.Queued;
        (entry.IsUrgent ? _urgent : _others).Enqueue(key);
        _ready.TrySetResult();
    }

    // The first list of a large cluster queues every pod; the memory of that is not kept.
    private void Trim()
    {
        var capacity = _entries.EnsureCapacity(0);
        if (capacity < TrimAbove || _entries.Count > capacity / 8)
            return;
        _entries.TrimExcess(capacity / 4);
        _urgent.TrimExcess();
        _others.TrimExcess();
    }

    private void CountFailing(WorkQueueEntry entry, int failures)
    {
        _failing += (failures > 0 ? 1 : 0) - (entry.Failures > 0 ? 1 : 0);
        entry.Failures = failures;
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
