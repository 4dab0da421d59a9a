namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Who works with an origin next, so that a slow host delays only itself. So many turns are shared by all hosts; beyond them a host that has none may always
/// take one, so that there are at most as many as the shared ones and the hosts together. Within a host the first to come is the first to go.
/// </summary>
/// <param name="shared">Turns at a time for all hosts.</param>
/// <param name="mostPerHost">Turns at a time for one host; 1 or more.</param>
public sealed class PerHostLimiter(int shared, int mostPerHost = int.MaxValue)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Host> _hosts = new(StringComparer.OrdinalIgnoreCase);
    private int _taken;

    /// <summary>Waits for a turn; disposing of it ends it.</summary>
    /// <param name="host">As references name it.</param>
    /// <param name="stop">Ends the waiting.</param>
    public async Task<IDisposable> Enter(string host, CancellationToken stop)
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
            await comer.Task.WaitAsync(stop);
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

    /// <summary>What is free goes to the host that has the fewest.</summary>
    private Host? Next() => _hosts.Values
        .Where(host => host.Waiting.Count > 0 && host.Taken < mostPerHost && (host.Taken == 0 || _taken < shared))
        .MinBy(host => host.Taken);

    private void GiveUp(string host, LinkedListNode<TaskCompletionSource> place)
    {
        lock (_gate)
        {
            if (place.List is null)
                End(host);   // it was let in at that moment
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
