using System.Globalization;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>
/// Records the use of images by pods: <see cref="PodObserved"/> and <see cref="PodGone"/>, and on the streams of their images
/// <see cref="RequestedByPod"/> or <see cref="ImageUsedAgain"/> if the image is not in use. Records workloads likewise
/// (<see cref="WorkloadUse"/>); keys are user keys. Only differences become events: a restart records nothing.
/// </summary>
/// <param name="informers">Those of pods and of each followed kind of workload.</param>
/// <param name="accounts">The pull secrets of ServiceAccounts.</param>
/// <param name="known">The recorded uses.</param>
/// <param name="absences">The evidence that pods or workloads are gone.</param>
/// <param name="traces">The traces of admissions.</param>
/// <param name="images">The queue of images whose users have changed.</param>
/// <param name="transactions">The event log.</param>
/// <param name="metrics">Counts recorded events.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Logs recorded events, at level Debug.</param>
internal sealed partial class PodReconciler(
    IReadOnlyList<UserInformer> informers, Reflector<ServiceAccount, AccountSecrets> accounts, UsageCache known, UserAbsences absences,
    PodTraces traces, WorkQueue images, EventLogTransactions transactions, WatcherMetrics metrics, TimeProvider time,
    ILogger<PodReconciler> logger) : IReconciler
{
    /// <summary>The event that makes the log agree with a pod that exists; null when it agrees.</summary>
    /// <param name="log">The recorded state. If it is gone, the caller needs better evidence of its existence than
    /// <paramref name="live"/>.</param>
    /// <param name="live">The current pod.</param>
    /// <param name="pullSecrets">Those of the pod and of its ServiceAccount.</param>
    /// <param name="now">UTC.</param>
    public static PodObserved? Decide(UserState log, LiveUser live, IReadOnlyList<string> pullSecrets, DateTimeOffset now)
    {
        if (!log.IsOutdatedBy(live, pullSecrets))
            return null;
        return new PodObserved(live.Uid, live.Namespace, live.Name, live.Images, pullSecrets, now)
        {
            Node = live.Node,
            OwnerKind = live.OwnerKind,
            OwnerName = live.OwnerName,
            ServiceAccount = live.AccountName,
            CreatedAt = live.CreatedAt,
            ResourceVersion = live.Version?.ToString(CultureInfo.InvariantCulture),
        };
    }

    /// <summary>The event that ends a pod's use; null when it is recorded as gone, was never recorded, or was recorded in a later
    /// state.</summary>
    /// <param name="log">The recorded state.</param>
    /// <param name="uid">The pod's uid.</param>
    /// <param name="absence">The evidence that it is gone.</param>
    /// <param name="now">UTC.</param>
    public static PodGone? DecideGone(UserState log, string uid, UserAbsence absence, DateTimeOffset now) =>
        log.IsEndedBy(absence)
            ? new PodGone(uid, log.Namespace, log.Name, log.Images, now)
            { Reason = absence.Reason, DeletedAt = absence.Last?.DeletedAt, Phase = absence.Last?.Phase }
            : null;

    /// <summary>The event to append to the image's stream when a pod uses the image; null if it is already requested.</summary>
    /// <param name="log">The recorded state of the image.</param>
    /// <param name="use">The pod's use of it.</param>
    /// <param name="uid">The pod's uid.</param>
    /// <param name="bringsSecret">The pod has a pull secret that no other user of the image has.</param>
    /// <param name="now">UTC.</param>
    public static object? DecideImage(ImageState log, PodImage use, string uid, bool bringsSecret, DateTimeOffset now)
    {
        if (!log.IsWanted || (log.IsRefused && bringsSecret))
            return new RequestedByPod(use.Image, use.WrittenAs, uid, now);
        return log is { UnusedSince: null, ExpiresAt: null } ? null : new ImageUsedAgain(use.Image, uid, now);
    }

    /// <summary>Makes the log agree with the cluster for these pods and workloads, in one transaction.</summary>
    public async Task Reconcile(IReadOnlyList<string> keys, CancellationToken ct)
    {
        // 1. Compare with the recorded uses in memory. Usually they agree, and the log is not read.
        var looks = new List<Look>();
        foreach (var uid in keys)
            if (await LookAt(uid, ct) is { } look)
                looks.Add(look);

        // 2. Decide again by the streams, record, and queue the images.
        foreach (var look in await RecordAll(looks, ct))
        {
            // 3. It is recorded as gone and has not changed since: this replica was suspended, or the pod has returned. The API is asked.
            if (await InformerOf(look.Uid)!.Read(look.Live!, ct) is { } fresh)
                await RecordAll([look with { Live = fresh, IsProven = true }], ct);
        }
    }

    /// <returns>Those that are recorded as gone, and of which no later state has been seen.</returns>
    private async Task<IReadOnlyList<Look>> RecordAll(IReadOnlyList<Look> looks, CancellationToken ct)
    {
        if (looks.Count == 0)
            return [];
        IReadOnlyList<Recorded> recorded;
        using var spans = traces.Begin(looks.Select(look => look.Live).OfType<LiveUser>());
        try
        {
            recorded = await transactions.Execute(log => Record(log, looks, spans, ct), ct);
        }
        catch (Exception)
        {
            known.Doubt(looks.Select(look => look.Uid));   // a commit without an answer may have succeeded
            throw;
        }
        foreach (var (look, pod, fact) in recorded)
        {
            images.Add(known.Set(look.Uid, pod));
            traces.Forget(look.Uid);
            if (look.Live is null)
                absences.Remove(look.Uid);
            if (fact is not null)
                metrics.CountRecorded(fact.GetType().Name);
            if (fact is PodObserved observed)
                LogObserved(observed.Namespace, observed.Name, observed.Images.Count);
            else if (fact is PodGone gone)
                LogGone(gone.Namespace, gone.Name, gone.Images.Count, gone.Reason!);
            else if (fact is WorkloadObserved workload)
                LogWorkloadObserved(workload.Kind, workload.Namespace, workload.Name, workload.Images.Count);
            else if (fact is WorkloadGone end)
                LogWorkloadGone(end.Kind, end.Namespace, end.Name, end.Images.Count, end.Reason!);
        }
        return [.. recorded.Where(result => result.Pod.IsGone && result.Look is { Live.Images.Count: > 0, IsProven: false })
            .Select(result => result.Look)];
    }

    private async Task<Look?> LookAt(string uid, CancellationToken ct)
    {
        var log = known.Find(uid) ?? UserState.Initial;
        var informer = InformerOf(uid);
        if (informer?.Find(uid) is { } live)
        {
            absences.Remove(uid);
            var secrets = SecretsOf(live);
            var mayDiffer = log is { IsObserved: true, Containers: null } && informer.TakeChanged(uid);
            if (mayDiffer || known.IsDoubtful(uid) || DecideObserved(log, live, secrets, time.GetUtcNow()) is not null)
                return new Look(uid, live, secrets, null);
            known.ShareTexts(live);
            traces.Forget(uid);
            return null;
        }
        if (absences.Find(uid) is not { } absence)
            return null;   // not in the reflector's state and without evidence: the next list decides
        if (!log.IsObserved && !known.IsDoubtful(uid))
        {
            absences.Remove(uid);
            return null;
        }
        if (absence is { Reason: UserAbsence.Deleted, Last: { DeletedAt: null } last }
            && informer is not null && await informer.Read(last, ct) is not null)
        {
            if (informer.WorkloadKind is not null)
            {
                absences.Remove(uid);   // a workload is not selected by a label: the next list decides
                return null;
            }
            absence = absence with { Reason = UserAbsence.LabelRemoved };   // a lost label is a DELETED of the watch too
        }
        return new Look(uid, null, [], absence);
    }

    /// <summary>Null for a kind that is not followed.</summary>
    private UserInformer? InformerOf(string uid) => informers.FirstOrDefault(informer => UserKey.IsOf(uid, informer.WorkloadKind));

    private static object? DecideObserved(UserState log, LiveUser live, IReadOnlyList<string> pullSecrets, DateTimeOffset now) =>
        UserKey.KindOf(live.Uid) is null ? Decide(log, live, pullSecrets, now) : WorkloadUse.Decide(log, live, pullSecrets, now);

    private static object? DecideEnd(UserState log, Look look, DateTimeOffset now) =>
        UserKey.KindOf(look.Uid) is null
            ? DecideGone(log, look.Uid, look.Absence!, now)
            : WorkloadUse.DecideGone(log, look.Uid, look.Absence!, now);

    private static async Task<IReadOnlyList<Recorded>> Record(
        EventLogTransaction log, IReadOnlyList<Look> looks, RecordingSpans spans, CancellationToken ct)
    {
        // 1. The users' own streams.
        var now = await log.Now(ct);
        var streams = await log.ReadAll([.. looks.Select(look => UserKey.StreamOf(look.Uid))], UserState.Initial, UserState.Fold, ct);
        var recorded = new List<Recorded>();
        foreach (var look in looks)
        {
            var stream = streams[UserKey.StreamOf(look.Uid)];
            object? fact = look.Live is null ? DecideEnd(stream.State, look, now)
                : stream.State.IsGone && !look.IsProven && !(look.Live.Version > stream.State.Version) ? null
                : DecideObserved(stream.State, look.Live, look.PullSecrets, now);
            if (fact is not null)
                spans.Within(look.Uid, () => stream.Append(fact));
            recorded.Add(new Recorded(look, stream.State, fact));
        }

        // 2. Their images, in the order that every transaction keeps. ImageUsersProjection derives the usage rows from the events.
        await NoteUses(log, [.. recorded.Where(result => result.Fact is PodObserved or WorkloadObserved)], spans, now, ct);
        return recorded;
    }

    private static async Task NoteUses(
        EventLogTransaction log, IReadOnlyList<Recorded> observed, RecordingSpans spans, DateTimeOffset now, CancellationToken ct)
    {
        var images = UserState.ImagesOf(observed.SelectMany(user => user.Look.Live!.Images));
        if (images.Count == 0)
            return;
        await ImageLocks.TakeToUse(log, images, ct);
        var streams = (await log.ReadImages(images, ct)).ToDictionary(stream => stream.Name);
        var uses = observed.SelectMany(
            user => user.Look.Live!.Images.DistinctBy(image => image.Image)
                .Select(image => (Image: image, user.Look.Uid, Pod: user.Fact as PodObserved)));
        foreach (var use in uses.OrderBy(use => use.Image.Image, StringComparer.Ordinal))
        {
            var image = streams[StreamName.OfImage(use.Image.Image)];
            var bringsSecret = use.Pod is not null && image.State.IsRefused
                && await ImageUsers.BringsSecret(log.Connection, use.Image.Image, use.Pod, ct);
            object? fact = use.Pod is null
                ? WorkloadUse.DecideImage(image.State, use.Uid, now)
                : DecideImage(image.State, use.Image, use.Uid, bringsSecret, now);
            if (fact is not null)
                spans.Within(use.Uid, () => image.Append(fact));
        }
        await NameImage.In(log, [.. streams.Values.Where(image => image.State.IsWanted)], now, ct);
    }

    private IReadOnlyList<string> SecretsOf(LiveUser pod) =>
        accounts.State.TryGetValue(pod.Account, out var account) && account.Names.Count > 0
            ? [.. pod.PullSecrets.Union(account.Names)]
            : pod.PullSecrets;

    /// <summary>The observed state of a pod or workload.</summary>
    /// <param name="Uid">Its user key.</param>
    /// <param name="Live">The current pod or workload; null when it is gone.</param>
    /// <param name="PullSecrets">Those of the pod or template and of its ServiceAccount.</param>
    /// <param name="Absence">The evidence that it is gone; null when it is not.</param>
    /// <param name="IsProven">It has just been read from the API by name.</param>
    private sealed record Look(string Uid, LiveUser? Live, IReadOnlyList<string> PullSecrets, UserAbsence? Absence, bool IsProven = false);

    private sealed record Recorded(Look Look, UserState Pod, object? Fact);

    [LoggerMessage(Level = LogLevel.Debug, Message = "pod {Namespace}/{Name} observed, {Images} images")]
    private partial void LogObserved(string @namespace, string name, int images);

    [LoggerMessage(Level = LogLevel.Debug, Message = "pod {Namespace}/{Name} gone, {Images} images released ({Reason})")]
    private partial void LogGone(string @namespace, string name, int images, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Kind} {Namespace}/{Name} observed, {Images} images")]
    private partial void LogWorkloadObserved(string kind, string @namespace, string name, int images);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Kind} {Namespace}/{Name} gone, {Images} images released ({Reason})")]
    private partial void LogWorkloadGone(string kind, string @namespace, string name, int images, string reason);
}
