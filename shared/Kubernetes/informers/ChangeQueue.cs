using System.Threading.Channels;

namespace Kuik.Kubernetes;

/// <summary>Collects changes until they are taken: at most one entry a key, however long that takes.</summary>
internal sealed class ChangeQueue<TState>
{
    private readonly Lock _gate = new();
    private readonly Channel<bool> _signal =
        Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private int _lists;
    private bool _listed;
    private HashSet<string> _keys = [];
    private Dictionary<string, TState> _deleted = [];

    public void Add(string key)
    {
        lock (_gate)
            _keys.Add(key);
        _signal.Writer.TryWrite(true);
    }

    public void AddDeleted(string key, TState last)
    {
        lock (_gate)
        {
            _keys.Add(key);
            _deleted[key] = last;
        }
        _signal.Writer.TryWrite(true);
    }

    public void AddListed(int number)
    {
        lock (_gate)
            (_listed, _lists) = (true, number);
        _signal.Writer.TryWrite(true);
    }

    public async Task<ChangeSet<TState>> Take(CancellationToken ct)
    {
        await _signal.Reader.ReadAsync(ct);
        lock (_gate)
        {
            var taken = new ChangeSet<TState>(_listed, _keys, _deleted) { Lists = _lists };
            (_listed, _keys, _deleted) = (false, [], []);
            return taken;
        }
    }
}
