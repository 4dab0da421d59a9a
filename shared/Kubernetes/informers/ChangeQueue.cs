using System.Threading.Channels;

namespace Kuik.Kubernetes;

/// <summary>Collects changes until they are taken: at most one entry a key, however long that takes.</summary>
internal sealed class ChangeQueue<TState>
{
    private readonly Lock gate = new();
    private readonly Channel<bool> signal =
        Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private int lists;
    private bool listed;
    private HashSet<string> keys = [];
    private Dictionary<string, TState> deleted = [];

    public void Add(string key)
    {
        lock (gate)
            keys.Add(key);
        signal.Writer.TryWrite(true);
    }

    public void AddDeleted(string key, TState last)
    {
        lock (gate)
        {
            keys.Add(key);
            deleted[key] = last;
        }
        signal.Writer.TryWrite(true);
    }

    public void AddListed(int number)
    {
        lock (gate)
            (listed, lists) = (true, number);
        signal.Writer.TryWrite(true);
    }

    public async Task<ChangeSet<TState>> Take(CancellationToken ct)
    {
        await signal.Reader.ReadAsync(ct);
        lock (gate)
        {
            var taken = new ChangeSet<TState>(listed, keys, deleted) { Lists = lists };
            (listed, keys, deleted) = (false, [], []);
            return taken;
        }
    }
}
