using Kuik.Hosting;

namespace Kuik.Kubernetes;

/// <summary>How a <see cref="WorkQueue"/> waits.</summary>
public sealed record WorkQueueOptions
{
    /// <summary>How long a new key waits, so that many changes of one object are one piece of work. Default 0.</summary>
    public TimeSpan Gather { get; init; }

    /// <summary>The first wait of a key that failed; each further one is twice as long. Default 1 s.</summary>
    public TimeSpan FirstRetry { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest wait of a key that failed. Default 1 minute: after an outage no key waits longer than that.</summary>
    public TimeSpan LongestRetry { get; init; } = TimeSpan.FromMinutes(1);
}

/// <summary>
/// Keys of objects to look at, as client-go's work queue has them: first in, first out; each key is in it at most once and is never taken
/// twice at the same time (a key that is
/// added while it is taken is queued again when it is done); a key that failed waits, twice as long each time, and others go ahead of it
/// meanwhile. Keys that are added as urgent
/// go before the others, of which every fourth turn takes one all the same. Thread safe.
/// </summary>
public sealed class WorkQueue : IDisposable
{
    private const int TurnsPerOther = 4;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Entry> _entries = [];
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

    /// <summary>How many keys are queued, waiting or taken.</summary>
    public int Depth
    {
        get
        {
            lock (_gate)
                return _entries.Count;
        }
    }

    /// <summary>How many of them failed the last time.</summary>
    public int Failing
    {
        get
        {
            lock (_gate)
                return _failing;
        }
    }

    /// <summary>UTC: since when the oldest of them is not done; null when there is none.</summary>
    public DateTimeOffset? OldestSince
    {
        get
        {
            lock (_gate)
                return _entries.Count == 0 ? null : _entries.Values.Min(entry => entry.Since);
        }
    }

    /// <summary>Queues a key unless it is queued. A key that failed keeps waiting.</summary>
    /// <param name="key">What to look at.</param>
    /// <param name="isUrgent">It goes before those that are not.</param>
    public void Add(string key, bool isUrgent = true)
    {
        lock (_gate)
        {
            if (!_entries.TryGetValue(key, out var entry))
            {
                _entries.Add(key, entry = new Entry { Since = _time.GetUtcNow(), IsUrgent = isUrgent });
                Schedule(key, entry, _options.Gather);
            }
            else if (entry.Place == Place.Taken)
            {
                entry.AddedAgain ??= _time.GetUtcNow();
                entry.IsUrgent |= isUrgent;
            }
            else if (isUrgent && !entry.IsUrgent)
            {
                entry.IsUrgent = true;
                if (entry.Place == Place.Queued)
                    _urgent.Enqueue(key);   // what it leaves in the other line is passed over
            }
        }
    }

    /// <summary>Queues several.</summary>
    public void Add(IEnumerable<string> keys, bool isUrgent = true)
    {
        foreach (var key in keys)
            Add(key, isUrgent);
    }

    /// <summary>Waits for keys and takes them: each has to be given to <see cref="Done"/> or <see cref="Retry"/>. A key that failed comes
    /// alone.</summary>
    /// <param name="atMost">How many; at least 1.</param>
    /// <param name="ct">Ends the waiting.</param>
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

    /// <summary>A taken key has been dealt with: its next failure is the first one again.</summary>
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
            }
        }
    }

    /// <summary>A taken key has failed: it is queued again later.</summary>
    /// <param name="key">The key.</param>
    /// <param name="notBefore">At least so much later, as the other side asked (<see cref="KubernetesApiException.RetryAfter"/>); null when it
    /// did not.</param>
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
            var isHere = _entries.TryGetValue(key, out var entry) && entry.Place == Place.Queued && entry.IsUrgent == isUrgent;
            if (isHere && entry!.Failures > 0 && taken.Count > 0)
                return;
            line.Dequeue();
            if (!isHere)
                continue;
            entry!.Place = Place.Taken;
            entry.IsUrgent = false;
            taken.Add(key);
            if (entry.Failures > 0)
                return;
        }
    }

    private void Schedule(string key, Entry entry, TimeSpan wait)
    {
        if (wait <= TimeSpan.Zero)
        {
            Enqueue(key, entry);
            return;
        }
        (entry.Place, entry.Due) = (Place.Waiting, _time.GetUtcNow() + wait);
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
                if (_entries.TryGetValue(key, out var entry) && entry.Place == Place.Waiting && entry.Due == due)
                    Enqueue(key, entry);
            }
        }
    }

    private void Enqueue(string key, Entry entry)
    {
        entry.Place = Place.Queued;
        (entry.IsUrgent ? _urgent : _others).Enqueue(key);
        _ready.TrySetResult();
    }

    private void CountFailing(Entry entry, int failures)
    {
        _failing += (failures > 0 ? 1 : 0) - (entry.Failures > 0 ? 1 : 0);
        entry.Failures = failures;
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private enum Place
    {
        Queued,
        Waiting,
        Taken,
    }

    private sealed class Entry
    {
        public Place Place { get; set; }

        public bool IsUrgent { get; set; }

        public int Failures { get; set; }

        public DateTimeOffset Since { get; set; }

        public DateTimeOffset Due { get; set; }

        public DateTimeOffset? AddedAgain { get; set; }
    }
}
