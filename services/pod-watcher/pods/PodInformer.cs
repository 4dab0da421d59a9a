using System.Collections.Concurrent;
using Kuik.Hosting;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>
/// Queues the pods, or the workloads of one kind, that may have to be recorded: those of a complete list, those that change, and known ones
/// that are gone. Says whether all that was seen is recorded.
/// </summary>
internal sealed partial class PodInformer(
    KubernetesApi api, UserKind kind, Reflector<Pod, LivePod> pods, Reflector<ServiceAccount, AccountSecrets> accounts,
    PodUsageCache known, PodAbsences absences, WorkQueue queue, TimeProvider time, ILogger<PodInformer> logger) : IPodObserver
{
    /// <summary>How much later than the first one the list is that confirms that many pods are gone.</summary>
    private static readonly TimeSpan ConfirmAfter = TimeSpan.FromSeconds(5);

    /// <summary>How often known pods are compared with those that are there.</summary>
    private static readonly TimeSpan CompareEvery = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<string, bool> _changed = new();
    private volatile TaskCompletionSource<string[]> _toConfirm = NewSignal();
    private int _listsQueued;

    /// <summary>Why what it has seen may be out of date; null while it is not.</summary>
    public string? Problem => pods.Problem is { } problem ? About(kind.What, problem) : null;

    /// <summary>What it follows; null: pods.</summary>
    public string? WorkloadKind => kind.WorkloadKind;

    /// <summary>Completes when they and ServiceAccounts are listed and queued: a pod is recorded once, with all of its pull
    /// secrets.</summary>
    public Task Listed { get; } = Task.WhenAll(pods.FirstList, accounts.FirstList);

    public string? Incomplete =>
        !pods.IsListed ? About(kind.What, pods.Problem)
        : !accounts.IsListed ? About("serviceaccounts", accounts.Problem)
        : pods.Lists != Volatile.Read(ref _listsQueued) ? $"the list of {kind.What} is being read"
        : _toConfirm.Task.IsCompleted ? $"known {kind.What} are missing, which a second list of {kind.What} has not confirmed yet"
        : null;

    // What is queued is not recorded; everything before the oldest of it is.
    public DateTimeOffset? CompleteAt => Incomplete is null && Earlier(pods.CurrentAt, accounts.CurrentAt) is { } current
        ? Earlier(current, queue.OldestSince ?? current)
        : null;

    /// <summary>The watch has brought a change of the pod since this was last asked, and only the usage table is known of it.</summary>
    public bool TakeChanged(string uid) => _changed.TryRemove(uid, out _);

    /// <summary>The object as it was last seen; null when it is not there, or not known to be.</summary>
    public LivePod? Find(string uid) => pods.State.GetValueOrDefault(uid);

    /// <summary>The object by one read that no selector filters; null when it does not exist, or another has its name.</summary>
    public async Task<LivePod?> Read(LivePod pod, CancellationToken ct) =>
        await api.TryGet(kind.PathOf(pod), PodJson.Default.Pod, ct) is { } found && kind.Resource.KeyOf(found) == pod.Uid
            ? kind.Resource.Keep(found)
            : null;

    /// <summary>Follows until cancelled.</summary>
    public Task Run(CancellationToken ct) => TaskGroup.Run(ct, pods.Run, FollowPods, FindLeftOver, ConfirmMissing);

    private async Task FollowPods(CancellationToken ct)
    {
        while (true)
        {
            var changeSet = await pods.TakeChanges(ct);
            foreach (var (uid, last) in changeSet.Deleted)
                if (!pods.State.ContainsKey(uid))
                    absences.Add(uid, new PodAbsence(PodAbsence.Deleted, last, last.Version));
            foreach (var uid in changeSet.Keys)
            {
                if (known.Find(uid) is { Containers: null })
                    _changed[uid] = true;
                queue.Add(uid);
            }
            if (changeSet.Listed)
            {
                QueueMissing();
                queue.Add(pods.State.Keys, isUrgent: false);
                Volatile.Write(ref _listsQueued, changeSet.Lists);
            }
        }
    }

    /// <summary>The known pods that a list lacks. When it is empty or lacks a fifth of all or more, only those that a later list lacks
    /// too.</summary>
    private void QueueMissing()
    {
        var all = known.Uids(kind.WorkloadKind);
        string[] missing = [.. Missing(all)];
        if (pods.State.Count == 0 || missing.Length * 5 >= all.Count)
        {
            if (missing.Length > 0)
                _toConfirm.TrySetResult(missing);
            return;
        }
        QueueAbsent(missing, null);
    }

    /// <summary>
    /// Finds known pods that are not there and that no list or deletion has spoken of, because they became known later: a list came while
    /// they were being recorded, or the log brought them (<see cref="UsageResync"/>). Two comparisons in a row have to find them.
    /// </summary>
    private async Task FindLeftOver(CancellationToken ct)
    {
        await pods.FirstList.WaitAsync(ct);
        IReadOnlySet<string> before = new HashSet<string>();
        while (true)
        {
            await Task.Delay(CompareEvery, time, ct);
            var missing = Missing(known.Uids(kind.WorkloadKind)).ToHashSet();
            string[] leftOver = [.. missing.Where(before.Contains)];
            if (leftOver.Length > 0)
                _toConfirm.TrySetResult(leftOver);
            before = missing;
        }
    }

    private IEnumerable<string> Missing(IEnumerable<string> uids) =>
        uids.Where(uid => !pods.State.ContainsKey(uid) && absences.Find(uid) is null);

    private void QueueAbsent(IEnumerable<string> uids, string? version)
    {
        foreach (var uid in uids)
        {
            absences.Add(uid, new PodAbsence(PodAbsence.Absent, null, LivePod.ParseVersion(version)));
            queue.Add(uid, isUrgent: false);
        }
    }

    private async Task ConfirmMissing(CancellationToken ct)
    {
        var backOff = new BackOff(time);
        while (true)
        {
            var missing = await _toConfirm.Task.WaitAsync(ct);
            await Task.Delay(ConfirmAfter, time, ct);
            try
            {
                var (second, version) = await api.List(kind.Resource, (_, pod) => pod.Uid, ct);
                var there = second.Concat(pods.State.Keys).ToHashSet();
                string[] confirmed = [.. missing.Where(uid => !there.Contains(uid))];
                LogMissing(missing.Length, known.Uids(kind.WorkloadKind).Count, kind.What, confirmed.Length);
                QueueAbsent(confirmed, version);
                backOff.Reset();
                if (missing.Any(uid => there.Contains(uid) && !pods.State.ContainsKey(uid)))
                    pods.ListAgain();
                _toConfirm = NewSignal();
            }
            catch (Exception fault) when (KubernetesFault.IsOfApi(fault, ct))
            {
                LogSecondListFailed(kind.What, fault.Message);
                await backOff.Wait(ct);
            }
        }
    }

    private static DateTimeOffset? Earlier(DateTimeOffset? a, DateTimeOffset? b) => a < b ? a : b;

    private static string About(string what, string? problem) => $"{what}: {problem}";

    private static TaskCompletionSource<string[]> NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "{Missing} of {All} known {What} were missing; a second list confirms {Confirmed} of them")]
    private partial void LogMissing(int missing, int all, string what, int confirmed);

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "a second list of {What} is needed and failed ({Reason}); trying again, none is recorded as gone until then")]
    private partial void LogSecondListFailed(string what, string reason);
}
