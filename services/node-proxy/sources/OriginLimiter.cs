namespace Kuik.NodeProxy;

/// <summary>
/// Limits concurrent requests to origins, for each host and in total. Waiting is in order of arrival, except that a host at its own limit
/// holds up no other, and bounded.
/// </summary>
/// <param name="perHost">How many at a time for one host.</param>
/// <param name="total">How many at a time for all hosts.</param>
/// <param name="patience">How long one waits.</param>
/// <param name="time">The clock.</param>
internal sealed class OriginLimiter(int perHost, int total, TimeSpan patience, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _running = new(StringComparer.Ordinal);
    private readonly LinkedList<Waiter> _waiting = [];
    private int _count;

    /// <summary>How many run and how many wait.</summary>
    public (int Running, int Waiting) Load
    {
        get
        {
            lock (_lock)
                return (_count, _waiting.Count);
        }
    }

    /// <summary>Waits for a slot; disposing of it gives it back. Null when none was free within the patience.</summary>
    /// <param name="host">Of the origin.</param>
    /// <param name="ct">The client is gone.</param>
    public async ValueTask<IDisposable?> Enter(string host, CancellationToken ct)
    {
        LinkedListNode<Waiter> waiter;
        lock (_lock)
        {
            if (TryTake(host))
                return new Slot(this, host);
            waiter = _waiting.AddLast(new Waiter(host));
        }
        await waiter.Value.Admitted.Task.WaitAsync(patience, time, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        bool isAdmitted;
        lock (_lock)
        {
            isAdmitted = waiter.List is null;   // perhaps only just, although the patience or the client is gone
            if (!isAdmitted)
                _waiting.Remove(waiter);
        }
        var slot = isAdmitted ? new Slot(this, host) : null;
        if (ct.IsCancellationRequested)
            slot?.Dispose();
        ct.ThrowIfCancellationRequested();
        return slot;
    }

    private bool TryTake(string host)
    {
        var running = _running.GetValueOrDefault(host);
        if (_count >= total || running >= perHost)
            return false;
        _count++;
        _running[host] = running + 1;
        return true;
    }

    private void Release(string host)
    {
        lock (_lock)
        {
            _count--;
            if (--_running[host] == 0)
                _running.Remove(host);
            for (var waiter = _waiting.First; waiter is not null && _count < total;)
            {
                var next = waiter.Next;
                if (TryTake(waiter.Value.Host))
                {
                    _waiting.Remove(waiter);
                    waiter.Value.Admitted.SetResult();
                }
                waiter = next;
            }
        }
    }

    private sealed record Waiter(string Host)
    {
        public TaskCompletionSource Admitted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed class Slot(OriginLimiter limiter, string host) : IDisposable
    {
        private int _isReleased;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _isReleased, 1) == 0)
                limiter.Release(host);
        }
    }
}
