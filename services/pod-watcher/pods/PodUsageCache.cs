using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>
/// The usage table, pods and workloads, as the active replica knows it, in memory: read once from the log, then changed with every transaction.
/// It only says where a difference may be; each decision reads the user's stream again.
/// </summary>
internal sealed class PodUsageCache
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, PodUseState> pods = [];
    private readonly Dictionary<string, HashSet<string>> users = [];
    private readonly Dictionary<string, HashSet<string>> workloads = [];
    private readonly HashSet<string> doubtful = [];
    private readonly Pool<string> texts = new();
    private readonly Pool<IReadOnlyList<string>> lists = new(new ListComparer<string>());
    private readonly Pool<IReadOnlyList<PodImage>> containers = new(new ListComparer<PodImage>());

    /// <summary>Fills it from the whole usage table.</summary>
    public PodUsageCache(IEnumerable<ImageUser> rows)
    {
        foreach (var pod in rows.GroupBy(row => row.PodUid))
        {
            var row = pod.First();
            Set(pod.Key, new PodUseState(true, false, row.Namespace, row.PodName, [.. pod.Select(r => r.Image).Order(StringComparer.Ordinal)], row.PullSecrets));
        }
    }

    /// <summary>The keys of all pods and workloads that use anything, and of those that the log has to be asked about.</summary>
    public IReadOnlyList<string> Uids()
    {
        lock (gate)
            return doubtful.Count == 0 ? [.. pods.Keys] : [.. pods.Keys.Union(doubtful)];
    }

    /// <summary>Those of one kind of workload; null for pods.</summary>
    public IReadOnlyList<string> Uids(string? kind)
    {
        lock (gate)
            return [.. pods.Keys.Union(doubtful).Where(uid => UserKey.IsOf(uid, kind))];
    }

    /// <summary>Memory and log may differ about these pods, for example because a transaction has ended without an answer: the log is asked
    /// when they are reconciled, until it has been.</summary>
    public void Doubt(IEnumerable<string> uids)
    {
        lock (gate)
            doubtful.UnionWith(uids);
    }

    /// <summary>Has the log to be asked about this pod?</summary>
    public bool IsDoubtful(string uid)
    {
        lock (gate)
            return doubtful.Contains(uid);
    }

    /// <summary>What the log says of a pod; null when it does not know it, or knows that it is gone.</summary>
    public PodUseState? Find(string uid)
    {
        lock (gate)
            return pods.GetValueOrDefault(uid);
    }

    /// <summary>The log says this now.</summary>
    /// <returns>The images whose users have changed.</returns>
    public IReadOnlyList<string> Set(string uid, PodUseState pod)
    {
        lock (gate)
        {
            doubtful.Remove(uid);
            pods.Remove(uid, out var before);
            var old = before?.Images ?? [];
            var usersOf = UserKey.IsOf(uid, null) ? users : workloads;
            foreach (var image in old)
                usersOf[image].Remove(uid);
            if (pod is { IsObserved: true, IsGone: false })
                Add(uid, Shared(pod));
            foreach (var image in old.Where(image => usersOf[image].Count == 0))
                usersOf.Remove(image);
            return [.. old.Union(pod.Images)];
        }
    }

    /// <summary>How many pods use an image, and the first few of them as <c>namespace/name</c>, in order.</summary>
    public (int Count, IReadOnlyList<string> First) UsersOf(string image, int atMost)
    {
        lock (gate)
        {
            if (!users.TryGetValue(image, out var all))
                return (0, []);
            var first = new SortedSet<(string Namespace, string Name)>(InOrder);
            foreach (var use in all.Select(uid => pods[uid]))
            {
                var user = (use.Namespace, use.Name);
                if (first.Count == atMost && InOrder.Compare(user, first.Max) >= 0)
                    continue;   // of a hundred thousand, nearly all
                if (first.Add(user) && first.Count > atMost)
                    first.Remove(first.Max);
            }
            return (all.Count, [.. first.Select(pod => $"{pod.Namespace}/{pod.Name}").Order(StringComparer.Ordinal)]);
        }
    }

    /// <summary>The uids of all pods that use an image, in no order.</summary>
    public IReadOnlyList<string> UidsOf(string image)
    {
        lock (gate)
            return users.TryGetValue(image, out var all) ? [.. all] : [];
    }

    /// <summary>How many workloads use an image, and the first few of them, by namespace, name and kind.</summary>
    public (int Count, IReadOnlyList<WorkloadName> First) WorkloadsOf(string image, int atMost)
    {
        lock (gate)
        {
            return workloads.TryGetValue(image, out var all)
                ? (all.Count,
                    [.. all.Select(uid => new WorkloadName(UserKey.KindOf(uid)!, $"{pods[uid].Namespace}/{pods[uid].Name}"))
                        .OrderBy(user => user.NamespacedName, StringComparer.Ordinal).ThenBy(user => user.Kind, StringComparer.Ordinal).Take(atMost)])
                : (0, []);
        }
    }

    private static readonly Comparer<(string Namespace, string Name)> InOrder = Comparer<(string Namespace, string Name)>.Create((a, b) =>
        string.CompareOrdinal(a.Namespace, b.Namespace) is not 0 and var byNamespace ? byNamespace : string.CompareOrdinal(a.Name, b.Name));

    // A thousand pods of one template differ in their names only.
    private PodUseState Shared(PodUseState pod) => pod with
    {
        Namespace = texts.Get(pod.Namespace),
        Node = pod.Node is null ? null : texts.Get(pod.Node),
        Images = lists.Get(pod.Images),
        PullSecrets = lists.Get(pod.PullSecrets),
        Containers = pod.Containers is null ? null : containers.Get(pod.Containers),
    };

    private void Add(string uid, PodUseState pod)
    {
        pods[uid] = pod;
        var usersOf = UserKey.IsOf(uid, null) ? users : workloads;
        foreach (var image in pod.Images)
        {
            if (!usersOf.TryGetValue(image, out var ofImage))
                usersOf.Add(image, ofImage = []);
            ofImage.Add(uid);
        }
    }
}
