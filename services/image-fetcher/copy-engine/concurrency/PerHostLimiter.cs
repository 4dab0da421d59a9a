namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// A concurrency limiter with a shared limit and one for each host, so that a slow host delays only itself. A host without a permit is
/// always granted one, even beyond the shared limit: there are at most as many permits as the shared limit and the hosts together. Requests
/// of one host are served in order of arrival.
/// </summary>
/// <param name="shared">Permits for all hosts together.</param>
/// <param name="mostPerHost">Permits for one host; 1 or more.</param>
public sealed class PerHostLimiter(int shared, int mostPerHost = int.MaxValue)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Host> _hosts = new(StringComparer.OrdinalIgnoreCase);
    private int _taken;

    /// <summary>Waits for a permit; disposing of the result releases it.</summary>
    /// <param name="host">The host as references name it.</param>
    /// <param name="ct">Cancels the wait.</param>
    public async Task<IDisposable> Enter(string host, CancellationToken ct)
    {
        var comer = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        LinkedListNode<TaskCompletionSource> place;
        lock (_gate)
        {
            if (!_hosts.TryGetValue(host, out var line))
                _hosts[host] = line = new Host();
            place = line.Waiting.AddLast(comer);
            LetIn();
        }
        try
        {
            await comer.Task.WaitAsync(ct);
        }
        catch (OperationCanceledException)
        {
            GiveUp(host, place);
            throw;
        }
        return new Turn(this, host);
    }

    private void LetIn()
    {
        while (Next() is { } host)
        {
            var comer = host.Waiting.First!;
            host.Waiting.Remove(comer);
            host.Taken++;
            _taken++;
            comer.Value.SetResult();
        }
    }

    /// <summary>The waiting host with the fewest permits that may have one more; null when there is none.</summary>
    private Host? Next() => _hosts.Values
        .Where(host => host.Waiting.Count > 0 && host.Taken < mostPerHost && (host.Taken == 0 || _taken < shared))
        .MinBy(host => host.Taken);

    private void GiveUp(string host, LinkedListNode<TaskCompletionSource> place)
    {
        lock (_gate)
        {
            if (place.List is null)
                End(host);   // the permit was granted at that moment
            else
                place.List.Remove(place);
            Forget(host);
        }
    }

    private void End(string host)
    {
        _hosts[host].Taken--;
        _taken--;
        Forget(host);
        LetIn();
    }

    private void Forget(string host)
    {
        if (_hosts.TryGetValue(host, out var line) && line.Taken == 0 && line.Waiting.Count == 0)
            _hosts.Remove(host);
    }

    private sealed class Host
    {
        public LinkedList<TaskCompletionSource> Waiting { get; } = new();

        public int Taken { get; set; }
    }

    private sealed class Turn(PerHostLimiter turns, string host) : IDisposable
    {
        private bool _isOver;

        public void Dispose()
        {
            lock (turns._gate)
            {
                if (_isOver)
                    return;
                _isOver = true;
                turns.End(host);
            }
        }
    }
}
