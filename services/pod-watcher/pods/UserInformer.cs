using System.Collections.Concurrent;
using Kuik.Hosting;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>
/// Queues the pods, or the workloads of one kind, that may have to be recorded: those of a complete list, changed ones, and recorded ones
/// that are gone. Reports whether all observed states are recorded.
/// </summary>
internal sealed partial class UserInformer(
    KubernetesApi api, UserKind kind, Reflector<Pod, LiveUser> pods, Reflector<ServiceAccount, AccountSecrets> accounts,
    UsageCache known, UserAbsences absences, WorkQueue queue, TimeProvider time, ILogger<UserInformer> logger) : IUserObserver
{
    /// <summary>The time between a list that lacks many recorded pods and the list that confirms it.</summary>
    private static readonly TimeSpan ConfirmAfter = TimeSpan.FromSeconds(5);

    /// <summary>The interval of comparisons of recorded with existing pods.</summary>
    private static readonly TimeSpan CompareEvery = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<string, bool> _changed = new();
    private volatile TaskCompletionSource<string[]> _toConfirm = NewSignal();
    private int _listsQueued;

    /// <summary>Why its state may be outdated; null while it is current.</summary>
    public string? Problem => pods.Problem is { } problem ? About(kind.What, problem) : null;

    /// <summary>The kind of workload; null: pods.</summary>
    public string? WorkloadKind => kind.WorkloadKind;

    /// <summary>Completes when these objects and ServiceAccounts are listed, so that a pod is recorded once, with all of its pull
    /// secrets.</summary>
    public Task Listed { get; } = Task.WhenAll(pods.FirstList, accounts.FirstList);

    public string? Incomplete =>
        !pods.IsListed ? About(kind.What, pods.Problem)
        : !accounts.IsListed ? About("serviceaccounts", accounts.Problem)
        : pods.Lists != Volatile.Read(ref _listsQueued) ? $"the list of {kind.What} is being read"
        : _toConfirm.Task.IsCompleted ? $"known {kind.What} are missing, which a second list of {kind.What} has not confirmed yet"
        : null;

    // Queued keys are not recorded yet; all changes before the oldest key are.
    public DateTimeOffset? CompleteAt => Incomplete is null && Earlier(pods.CurrentAt, accounts.CurrentAt) is { } current
        ? Earlier(current, queue.OldestSince ?? current)
        : null;

    /// <summary>True when the watch has reported a change of the pod since the last call, and of its record only the usage table has been
    /// read.</summary>
    public bool TakeChanged(string uid) => _changed.TryRemove(uid, out _);

    /// <summary>The last observed state of an object; null when it does not exist, or is not known to.</summary>
    public LiveUser? Find(string uid) => pods.State.GetValueOrDefault(uid);

    /// <summary>The object, read by name without a selector; null when it does not exist, or another object has its name.</summary>
    public async Task<LiveUser?> Read(LiveUser pod, CancellationToken ct) =>
        await api.TryGet(kind.PathOf(pod), PodJson.Default.Pod, ct) is { } found && kind.Resource.KeyOf(found) == pod.Uid
            ? kind.Resource.Keep(found)
            : null;

    /// <summary>Runs until cancelled.</summary>
    public Task Run(CancellationToken ct) => TaskGroup.Run(ct, pods.Run, FollowPods, FindLeftOver, ConfirmMissing);

    private async Task FollowPods(CancellationToken ct)
    {
        while (true)
        {
            var changeSet = await pods.TakeChanges(ct);
            foreach (var (uid, last) in changeSet.Deleted)
                if (!pods.State.ContainsKey(uid))
                    absences.Add(uid, new UserAbsence(UserAbsence.Deleted, last, last.Version));
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

    /// <summary>Queues the recorded pods that a list lacks. If it is empty or lacks a fifth of all or more, a later list has to confirm
    /// that.</summary>
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
    /// Finds recorded pods that do not exist and that no list or deletion has shown to be gone, because they were recorded after it: during
    /// a list, or by an earlier leader (<see cref="UsageResync"/>). Two consecutive comparisons have to find them.
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
            absences.Add(uid, new UserAbsence(UserAbsence.Absent, null, LiveUser.ParseVersion(version)));
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
        Level = LogLevel.Warning,
        Message = "a second list of {What} is needed and failed ({Reason}); trying again, none is recorded as gone until then")]
    private partial void LogSecondListFailed(string what, string reason);
}
