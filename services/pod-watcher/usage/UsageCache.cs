using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>
/// The leader's copy of the usage table, pods and workloads, in memory: read once from Postgres, then updated after every transaction. It
/// is only used to find differences; each decision reads the user's stream again.
/// </summary>
internal sealed class UsageCache
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, UserState> _pods = [];
    private readonly Dictionary<string, HashSet<string>> _users = [];
    private readonly Dictionary<string, HashSet<string>> _workloads = [];
    private readonly HashSet<string> _doubtful = [];
    private readonly Pool<IReadOnlyList<string>> _lists = new(new ListComparer<string>());
    private readonly Pool<IReadOnlyList<PodImage>> _containers = new(new ListComparer<PodImage>());

    /// <summary>Creates the cache from the whole usage table.</summary>
    public UsageCache(IEnumerable<ImageUser> rows)
    {
        foreach (var pod in rows.GroupBy(row => row.PodUid))
        {
            var row = pod.First();
            Set(pod.Key, new UserState(true, false, row.Namespace, row.PodName,
                [.. pod.Select(r => SharedTexts.Get(r.Image)).Order(StringComparer.Ordinal)], row.PullSecrets));
        }
    }

    /// <summary>The keys of all recorded pods and workloads, and of the doubtful ones.</summary>
    public IReadOnlyList<string> Uids()
    {
        lock (_gate)
            return _doubtful.Count == 0 ? [.. _pods.Keys] : [.. _pods.Keys.Union(_doubtful)];
    }

    /// <summary>The same of one kind of workload; null for pods.</summary>
    public IReadOnlyList<string> Uids(string? kind)
    {
        lock (_gate)
            return [.. _pods.Keys.Union(_doubtful).Where(uid => UserKey.IsOf(uid, kind))];
    }

    /// <summary>Marks pods whose record in memory may differ from the log, for example after a commit without an answer: their streams are
    /// read at the next reconciliation.</summary>
    public void Doubt(IEnumerable<string> uids)
    {
        lock (_gate)
            _doubtful.UnionWith(uids);
    }

    /// <summary>True when the pod's stream has to be read.</summary>
    public bool IsDoubtful(string uid)
    {
        lock (_gate)
            return _doubtful.Contains(uid);
    }

    /// <summary>The recorded state of a pod; null when it was never recorded, or is gone.</summary>
    public UserState? Find(string uid)
    {
        lock (_gate)
            return _pods.GetValueOrDefault(uid);
    }

    /// <summary>Stores the recorded state of a pod.</summary>
    /// <returns>The images whose users have changed.</returns>
    public IReadOnlyList<string> Set(string uid, UserState pod)
    {
        lock (_gate)
        {
            _doubtful.Remove(uid);
            _pods.Remove(uid, out var before);
            var old = before?.Images ?? [];
            var usersOf = UserKey.IsOf(uid, null) ? _users : _workloads;
            foreach (var image in old)
                usersOf[image].Remove(uid);
            if (pod is { IsObserved: true, IsGone: false })
                Add(uid, Shared(pod));
            foreach (var image in old.Where(image => usersOf[image].Count == 0))
                usersOf.Remove(image);
            return [.. old.Union(pod.Images)];
        }
    }

    /// <summary>Replaces the texts of a recorded user by the instances that its informer keeps. Those of a user that was read from the
    /// usage table are others.</summary>
    public void ShareTexts(LiveUser live)
    {
        lock (_gate)
        {
            if (!_pods.TryGetValue(live.Uid, out var recorded) || recorded.Name != live.Name || ReferenceEquals(recorded.Name, live.Name))
                return;
            _pods.Remove(live.Uid);
            foreach (var image in recorded.Images)
                (UserKey.IsOf(live.Uid, null) ? _users : _workloads)[image].Remove(live.Uid);
            Add(live.Uid, recorded with { Name = live.Name });
        }
    }

    /// <summary>The number of pods that use an image, and the first of them as <c>namespace/name</c>, sorted.</summary>
    public (int Count, IReadOnlyList<string> First) UsersOf(string image, int atMost)
    {
        lock (_gate)
        {
            if (!_users.TryGetValue(image, out var all))
                return (0, []);
            var first = new SortedSet<(string Namespace, string Name)>(InOrder);
            foreach (var use in all.Select(uid => _pods[uid]))
            {
                var user = (use.Namespace, use.Name);
                if (first.Count == atMost && InOrder.Compare(user, first.Max) >= 0)
                    continue;   // the usual case with many pods
                if (first.Add(user) && first.Count > atMost)
                    first.Remove(first.Max);
            }
            return (all.Count, [.. first.Select(pod => $"{pod.Namespace}/{pod.Name}").Order(StringComparer.Ordinal)]);
        }
    }

    /// <summary>The uids of all pods that use an image, unsorted.</summary>
    public IReadOnlyList<string> UidsOf(string image)
    {
        lock (_gate)
            return _users.TryGetValue(image, out var all) ? [.. all] : [];
    }

    /// <summary>The number of workloads that use an image, and the first of them, sorted by namespace, name and kind.</summary>
    public (int Count, IReadOnlyList<WorkloadName> First) WorkloadsOf(string image, int atMost)
    {
        lock (_gate)
        {
            return _workloads.TryGetValue(image, out var all)
                ? (all.Count,
                    [.. all.Select(uid => new WorkloadName(UserKey.KindOf(uid)!, $"{_pods[uid].Namespace}/{_pods[uid].Name}"))
                        .OrderBy(user => user.NamespacedName, StringComparer.Ordinal).ThenBy(user => user.Kind, StringComparer.Ordinal)
                        .Take(atMost)])
                : (0, []);
        }
    }

    private static readonly Comparer<(string Namespace, string Name)> InOrder = Comparer<(string Namespace, string Name)>.Create((a, b) =>
        string.CompareOrdinal(a.Namespace, b.Namespace) is not 0 and var byNamespace ? byNamespace : string.CompareOrdinal(a.Name, b.Name));

    // The pods of one template differ in their names only.
    private UserState Shared(UserState pod) => pod with
    {
        Namespace = SharedTexts.Get(pod.Namespace),
        Node = pod.Node is null ? null : SharedTexts.Get(pod.Node),
        Images = _lists.Get(pod.Images),
        PullSecrets = _lists.Get(pod.PullSecrets),
        Containers = pod.Containers is null ? null : _containers.Get(pod.Containers),
    };

    private void Add(string uid, UserState pod)
    {
        _pods[uid] = pod;
        var usersOf = UserKey.IsOf(uid, null) ? _users : _workloads;
        foreach (var image in pod.Images)
        {
            if (!usersOf.TryGetValue(image, out var ofImage))
                usersOf.Add(image, ofImage = []);
            ofImage.Add(uid);
        }
    }
}
