using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>
/// Records which pods use which images: <see cref="PodObserved"/> and <see cref="PodGone"/>, and for each image of a pod
/// <see cref="RequestedByPod"/> or <see cref="ImageUsedAgain"/> where it needs one. Only differences become events: a restart records nothing.
/// </summary>
internal sealed partial class ObservePods(
    KubernetesApi api, WatchedKinds kinds, Reflector<Pod, LivePod> pods, Reflector<ServiceAccount, AccountSecrets> accounts,
    KnownPods known, DirtySet dirty, EventLogTransactions transactions, TimeProvider time, ILogger<ObservePods> logger)
{
    /// <summary>Transactions at once. Pods of one image wait for each other in Postgres, so more would not be faster.</summary>
    private const int Concurrency = 4;

    /// <summary>So many may go in one list without a second one.</summary>
    private const int FewPods = 10;

    /// <summary>What a pod's stream lacks; null when it says all there is to say.</summary>
    /// <param name="log">What the log says.</param>
    /// <param name="live">The pod as it is; null when it does not exist.</param>
    /// <param name="uid">The pod's uid.</param>
    /// <param name="pullSecrets">Its own and its ServiceAccount's.</param>
    /// <param name="now">UTC.</param>
    public static object? Decide(PodUse log, LivePod? live, string uid, IReadOnlyList<string> pullSecrets, DateTimeOffset now)
    {
        if (live is null)
            return log is { IsObserved: true, IsGone: false } ? new PodGone(uid, log.Namespace, log.Name, log.Images, now) : null;
        if (log.IsGone || (!log.IsObserved && live.Images.Count == 0) || log.Says(PodUse.ImagesOf(live.Images), pullSecrets))
            return null;
        return new PodObserved(uid, live.Namespace, live.Name, live.Images, pullSecrets, now);
    }

    /// <summary>What an image's stream lacks when a pod uses it; null when it is on somebody's list already.</summary>
    /// <param name="log">What the log says of the image.</param>
    /// <param name="use">How the pod uses it.</param>
    /// <param name="uid">The pod's uid.</param>
    /// <param name="bringsSecret">The pod has a pull secret that no other user of the image has.</param>
    /// <param name="now">UTC.</param>
    public static object? DecideImage(ImageState log, PodImage use, string uid, bool bringsSecret, DateTimeOffset now)
    {
        if (!log.IsWanted || (log.IsRefused && bringsSecret))
            return new RequestedByPod(use.Image, use.WrittenAs, uid, now);
        return log.UnusedSince is null ? null : new ImageUsedAgain(use.Image, uid, now);
    }

    /// <summary>Compares and records until cancelled. A fault of Postgres flies: what has not been recorded is found again by the next list.</summary>
    public async Task Run(CancellationToken ct)
    {
        var podChanges = pods.TakeChanges(ct);
        var accountChanges = accounts.TakeChanges(ct);
        var looked = new HashSet<string>();
        while (true)
        {
            await await Task.WhenAny(podChanges, accountChanges);
            if (podChanges.IsCompleted)
            {
                var changes = await podChanges;
                looked.UnionWith(changes.Listed ? pods.State.Keys.Concat(await Missing(ct)) : changes.Keys);
                podChanges = pods.TakeChanges(ct);
            }
            if (accountChanges.IsCompleted)
            {
                var changes = await accountChanges;
                looked.UnionWith(pods.State.Values.Where(pod => changes.Listed || changes.Keys.Contains(pod.Account)).Select(pod => pod.Uid));
                accountChanges = accounts.TakeChanges(ct);
            }
            // Both lists first: a pod is recorded once, with all of its pull secrets.
            if (!pods.IsListed || !accounts.IsListed)
                continue;
            await Settle(looked, ct);
            looked.Clear();
        }
    }

    /// <summary>Makes the log agree with what is, for these pods.</summary>
    public Task Settle(IEnumerable<string> uids, CancellationToken ct) =>
        Parallel.ForEachAsync(uids, new ParallelOptions { MaxDegreeOfParallelism = Concurrency, CancellationToken = ct }, async (uid, token) => await Settle(uid, token));

    /// <summary>The known pods that do not exist. When a list lacks a fifth of all or more, only those that a second list lacks too.</summary>
    private async Task<IReadOnlyCollection<string>> Missing(CancellationToken ct)
    {
        var all = known.Uids();
        string[] missing = [.. all.Where(uid => !pods.State.ContainsKey(uid))];
        if (missing.Length * 5 < all.Count || missing.Length < FewPods)
            return missing;
        var backOff = new BackOff(time);
        while (true)
        {
            try
            {
                var second = (await api.ListAll(kinds.Pods, ct)).Select(pod => pod.Uid).ToHashSet();
                string[] confirmed = [.. missing.Where(uid => !second.Contains(uid))];
                LogMissing(missing.Length, all.Count, confirmed.Length);
                return confirmed;
            }
            catch (Exception fault) when (fault is KubernetesRefused or HttpRequestException or IOException)
            {
                LogSecondListFailed(fault.Message);
                await backOff.Wait(ct);
            }
        }
    }

    private async Task Settle(string uid, CancellationToken ct)
    {
        // 1. Is there a difference at all? Mostly there is none, and the log is not asked.
        var live = pods.State.GetValueOrDefault(uid);
        var secrets = live is null ? [] : SecretsOf(live);
        if (Decide(known.Find(uid) ?? PodUse.Nothing, live, uid, secrets, time.GetUtcNow()) is null)
            return;

        // 2. Decide again by the streams, and record.
        var (pod, fact) = await transactions.Run(log => Record(log, live, uid, secrets, ct), ct);

        // 3. Remember, and have the resources of its images looked at.
        dirty.Mark(known.Set(uid, pod));
        if (fact is PodObserved observed)
            LogObserved(observed.Namespace, observed.Name, observed.Images.Count);
        else if (fact is PodGone gone)
            LogGone(gone.Namespace, gone.Name, gone.Images.Count);
    }

    private async Task<(PodUse Pod, object? Fact)> Record(EventLogTransaction log, LivePod? live, string uid, IReadOnlyList<string> secrets, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var stream = await log.Read(StreamName.OfPod(uid), PodUse.Nothing, PodUse.Fold, ct);
        var fact = Decide(stream.State, live, uid, secrets, now);
        switch (fact)
        {
            case PodGone gone:
                await ImageUsers.Remove(log.Connection, uid, ct);
                stream.Append(gone);
                break;
            case PodObserved observed:
                await ImageLocks.TakeToUse(log, PodUse.ImagesOf(observed.Images), ct);
                foreach (var use in observed.Images.DistinctBy(image => image.Image))
                    await Request(log, use, observed, now, ct);
                await ImageUsers.Replace(log.Connection, observed, ct);
                stream.Append(observed);
                break;
        }
        return (stream.State, fact);
    }

    private static async Task Request(EventLogTransaction log, PodImage use, PodObserved pod, DateTimeOffset now, CancellationToken ct)
    {
        var image = await log.ReadImage(use.Image, ct);
        var bringsSecret = image.State.IsRefused && pod.PullSecrets.Count > 0
            && BringsSecret(pod, await ImageUsers.Of(log.Connection, use.Image, ct));
        if (DecideImage(image.State, use, pod.PodUid, bringsSecret, now) is { } fact)
            image.Append(fact);
    }

    private static bool BringsSecret(PodObserved pod, IReadOnlyList<ImageUser> users) =>
        pod.PullSecrets.Except(users.Where(user => user.Namespace == pod.Namespace).SelectMany(user => user.PullSecrets)).Any();

    private IReadOnlyList<string> SecretsOf(LivePod pod) =>
        [.. pod.PullSecrets.Union(accounts.State.TryGetValue(pod.Account, out var account) ? account.Names : [])];

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Missing} of {All} known pods were missing from one list; a second list confirms {Confirmed} of them")]
    private partial void LogMissing(int missing, int all, int confirmed);

    [LoggerMessage(Level = LogLevel.Warning, Message = "a second list of pods is needed and failed ({Reason}); trying again, no pod is recorded as gone until then")]
    private partial void LogSecondListFailed(string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "pod {Namespace}/{Name} observed, {Images} images")]
    private partial void LogObserved(string @namespace, string name, int images);

    [LoggerMessage(Level = LogLevel.Information, Message = "pod {Namespace}/{Name} gone, {Images} images less used")]
    private partial void LogGone(string @namespace, string name, int images);
}

/// <summary>The pull secrets that a ServiceAccount lends to its pods.</summary>
internal sealed record AccountSecrets(IReadOnlyList<string> Names);
