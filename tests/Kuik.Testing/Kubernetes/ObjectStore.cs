using System.Threading.Channels;

namespace Kuik.Testing;

/// <summary>The effect of one write.</summary>
/// <param name="Version">Its resourceVersion.</param>
/// <param name="Before">Null when the object was created.</param>
/// <param name="After">Null when it was deleted.</param>
internal sealed record ObjectChange(long Version, StoredObject? Before, StoredObject? After);

/// <summary>
/// The objects of a <see cref="ScriptedKubernetes"/> by kind (<c>group/resource</c>), and the changes from which a watch can continue.
/// </summary>
internal sealed class ObjectStore
{
    /// <summary>Changes kept of each kind; a watch from before them gets 410, as of a real server after a compaction.</summary>
    private const int KeptChanges = 20_000;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Kind> _kinds = [];
    private long _version = 1000;

    /// <summary>The last resourceVersion that was given.</summary>
    public long Version
    {
        get
        {
            lock (_gate)
                return _version;
        }
    }

    public static string KeyOf(string? @namespace, string name) => @namespace is null ? name : $"{@namespace}/{name}";

    public StoredObject? Find(string kind, string key)
    {
        lock (_gate)
            return Of(kind).Objects.GetValueOrDefault(key);
    }

    public int Count(string kind)
    {
        lock (_gate)
            return Of(kind).Objects.Count;
    }

    /// <summary>All objects of a kind at one moment, and that moment's resourceVersion.</summary>
    public (StoredObject[] Objects, long Version) List(string kind)
    {
        lock (_gate)
            return ([.. Of(kind).Objects.Values], _version);
    }

    /// <summary>Decides and stores in one step; an exception of <paramref name="decide"/> changes nothing.</summary>
    /// <param name="kind">The object's kind.</param>
    /// <param name="key">The object's key.</param>
    /// <param name="decide">From the current object to the one to store; the same one changes nothing, null deletes.</param>
    /// <returns>The stored object; of a deletion, the one that was stored before.</returns>
    public StoredObject? Change(string kind, string key, Func<StoredObject?, StoredObject?> decide)
    {
        lock (_gate)
        {
            var of = Of(kind);
            var before = of.Objects.GetValueOrDefault(key);
            var after = decide(before);
            if (ReferenceEquals(before, after))
                return before;
            _version++;
            if (after is null)
            {
                of.Objects.Remove(key);
            }
            else
            {
                after.Version = _version;
                of.Objects[key] = after;
            }
            of.Add(new ObjectChange(_version, before, after));
            return after ?? before;
        }
    }

    /// <summary>
    /// Follows a kind from after a version. Ended by disposing, or by <see cref="EndWatches"/>, which completes the channel.
    /// </summary>
    /// <returns>Null when that version has expired.</returns>
    public ObjectWatch? Watch(string kind, long from)
    {
        lock (_gate)
        {
            var of = Of(kind);
            if (from < of.Forgotten)
                return null;
            var changes = Channel.CreateUnbounded<ObjectChange>(new UnboundedChannelOptions { SingleReader = true });
            foreach (var change in of.Changes.Where(change => change.Version > from))
                changes.Writer.TryWrite(change);
            of.Watchers.Add(changes.Writer);
            return new ObjectWatch(changes.Reader, () => Forget(of, changes.Writer));
        }
    }

    /// <summary>Ends every open watch, as a restarting server does.</summary>
    public void EndWatches()
    {
        lock (_gate)
            foreach (var watcher in _kinds.Values.SelectMany(kind => kind.Watchers))
                watcher.TryComplete();
    }

    /// <summary>Discards all changes so far: a watch from before now gets 410.</summary>
    public void ForgetChanges()
    {
        lock (_gate)
        {
            _version++;
            foreach (var kind in _kinds.Values)
            {
                kind.Changes.Clear();
                kind.Forgotten = _version;
            }
        }
    }

    private void Forget(Kind kind, ChannelWriter<ObjectChange> watcher)
    {
        lock (_gate)
            kind.Watchers.Remove(watcher);
    }

    private Kind Of(string kind)
    {
        if (!_kinds.TryGetValue(kind, out var of))
            _kinds.Add(kind, of = new Kind());
        return of;
    }

    private sealed class Kind
    {
        public SortedDictionary<string, StoredObject> Objects { get; } = new(StringComparer.Ordinal);

        public Queue<ObjectChange> Changes { get; } = new();

        public List<ChannelWriter<ObjectChange>> Watchers { get; } = [];

        /// <summary>Changes up to this version are not kept.</summary>
        public long Forgotten { get; set; }

        public void Add(ObjectChange change)
        {
            Changes.Enqueue(change);
            if (Changes.Count > KeptChanges)
                Forgotten = Changes.Dequeue().Version;
            foreach (var watcher in Watchers)
                watcher.TryWrite(change);
        }
    }
}

/// <summary>An open watch.</summary>
internal sealed class ObjectWatch(ChannelReader<ObjectChange> changes, Action end) : IDisposable
{
    public ChannelReader<ObjectChange> Changes => changes;

    public void Dispose() => end();
}
