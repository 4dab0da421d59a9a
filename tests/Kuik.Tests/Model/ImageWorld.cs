using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Expiry;
using Kuik.ImageFetcher;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Kubernetes;
using Kuik.PodWatcher;
using EvictImage = Kuik.ImageFetcher.EvictImage;

namespace Kuik.Tests.Model;

/// <summary>
/// One image, its pods, two replicas of image-fetcher, the work table and the cache registry, driven step by step: the shipped decisions
/// and the shipped state machine, with everything around them that can go wrong. Each method is one transaction, one request to the
/// registry, or one fault.
/// </summary>
internal sealed class ImageWorld(Random random, Fault fault)
{
    public const string Image = "docker.io/library/nginx:1.27";
    public static readonly TimeSpan Delay = TimeSpan.FromHours(2);
    private static readonly TimeSpan Lease = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan RequestLease = TimeSpan.FromMinutes(10);

    private static readonly CachedImage Resource = new()
    { Metadata = new ObjectMeta { Name = "n" }, Spec = new CachedImageSpec { SourceImage = "nginx" } };

    private readonly Dictionary<WorkKind, Row> work = [];
    private readonly Dictionary<(string Replica, WorkKind Kind), Job> jobs = [];
    private readonly List<WorkKind> messages = [];
    private string? lockedBy;
    private (long Attempt, bool HasTag)? look;
    private bool hasLost;
    private bool hasUnrecordedCopy;
    private int originDigest;
    private Refreshing? refreshing;
    private IReadOnlySet<string>? listed;
    private int pods;

    /// <summary>What the origin had at a person's last request for a comparison that was recorded.</summary>
    public string? RequestedDigest { get; private set; }

    public DateTimeOffset Now { get; private set; } = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);
    public List<object> Log { get; } = [];
    public ImageState State { get; private set; } = ImageState.Initial;
    public ImageView? View { get; private set; }
    public HashSet<string> Live { get; } = [];
    public HashSet<string> Recorded { get; } = [];

    /// <summary>A person asked that it never expires.</summary>
    public bool IsRetained { get; private set; }

    /// <summary>The cache registry has the tag.</summary>
    public bool HasTag { get; private set; }

    /// <summary>What the tag names in the cache registry.</summary>
    public string? TagDigest { get; private set; }

    public bool IsOriginUp { get; set; } = true;

    /// <summary>The violated invariant; null for none.</summary>
    public string? Violation { get; private set; }

    public bool HasOpenWork => work.Count > 0 || jobs.Count > 0 || messages.Count > 0 || IsRefreshing;

    /// <summary>A comparison with the origin has begun.</summary>
    public bool IsRefreshing => refreshing is not null;

    /// <summary>When the next thing is due; null when nothing is.</summary>
    public DateTimeOffset? NextDue => work.Count == 0
        ? null
        : work.Min(row => row.Key == WorkKind.Expire ? row.Value.WakeAt + Delay : row.Value.WakeAt);

    public void Pass(TimeSpan time) => Now += time;

    // ---- the cluster

    public void PodStarts() => Live.Add("p" + pods++);

    public void PodEnds() => Live.Remove(Live.FirstOrDefault() ?? "");

    public void ObservePod()
    {
        if (Live.Except(Recorded).FirstOrDefault() is not { } uid)
            return;
        Append(PodReconciler.DecideImage(State, new PodImage("c", Image, "nginx"), uid, bringsSecret: false, Now));
        if (State.ObjectName is null)
            Append(new ImageNamed(Image, "n", Now));
        Recorded.Add(uid);
    }

    public void ObserveEnd() => Recorded.Remove(Recorded.Except(Live).FirstOrDefault() ?? "");

    public void PersonRequests() => AppendIf(!State.IsWanted, () => new RequestedByPerson(Image, "nginx", "n", Now));

    public void PersonRetains()
    {
        if (!State.IsWanted || IsRetained)
            return;
        IsRetained = true;
        Append(new ImageRetained(Image, Now));
    }

    public void PersonReleases()
    {
        IsRetained = false;
        AppendIf(State.IsRetained, () => new ImageReleased(Image, Now));
    }

    public void PersonSetsExpiry(TimeSpan fromNow) => AppendIf(
        State is { IsWanted: true, IsRetained: false } && Recorded.Count == 0,
        () => new ImageExpirySet(Image, Now + fromNow, Now));

    public void PersonRemovesExpiry() => AppendIf(State.ExpiresAt is not null, () => new ImageExpiryRemoved(Image, Now));

    public void PersonDeletes()
    {
        if (View is { Stage: not ImageStage.Evicted } && State.ObjectName is not null)
            Append(CachedImageIntentReconciler.DecideDeleted(State, Image, Resource, Now));
    }

    public void PersonWantsRefresh()
    {
        var resource = Resource with
        {
            Metadata = new ObjectMeta
            { Name = "n", Annotations = new Dictionary<string, string> { [Names.ForceUpdateAnnotation] = "true" } }
        };
        if (!State.IsWanted)
            return;
        Append(CachedImageIntentReconciler.Decide(State, Image, resource, isUsed: false, before: null, Now)
            .Where(fact => fact is RefreshRequested));
        if (fault == Fault.RequestDuringCopyIsDropped && State.Phase == ImagePhase.Copying)
            State = State with { RefreshRequestedAt = null };
        RequestedDigest = Copy().Digest;
    }

    public void NodePulls() => Append(PullRecorder.Decide(State, Image, Now));

    // ---- expiry

    public void LookWhetherUnused() =>
        Append(NoteUnused.Decide(State, Recorded.Count > 0 && fault != Fault.UnusedWithoutCounting, Delay, Now));

    public void AnnounceDue()
    {
        foreach (var (kind, row) in work
            .Where(row => row.Key is not (WorkKind.Expire or WorkKind.ExpireAt) && row.Value.WakeAt <= Now).ToList())
        {
            work[kind] = row with { WakeAt = Now + RequestLease };
            if (fault != Fault.NothingIsAnnouncedAgain)
                messages.Add(kind);
        }
    }

    public void ListPods()
    {
        if ((work.TryGetValue(WorkKind.Expire, out var row) && row.WakeAt <= Now - Delay)
            || (work.TryGetValue(WorkKind.ExpireAt, out row) && row.WakeAt <= Now))
            listed = Live.ToHashSet();
    }

    public void DecideExpiry()
    {
        if (listed is not { } pods)
            return;
        listed = null;
        var user = fault == Fault.ExpiryWithoutUsageTable ? null : Recorded.FirstOrDefault();
        var evidence = new ExpiryEvidence(pods.FirstOrDefault(), user, fault == Fault.ExpiryWithoutDelay ? TimeSpan.Zero : Delay, "1");
        var before = State;
        Append(ImageExpiryService.Decide(State, evidence, Now));
        if (Log[^1] is not ImageExpired || ReferenceEquals(before, State))
            return;
        if (Recorded.Count > 0)
            Violation ??= "expired while a recorded pod uses it";
        if (!before.IsForgotten && (before.ExpiresAt ?? before.UnusedSince + Delay) > Now)
            Violation ??= "expired before its delay was over, or before the time that a person set";
        if (IsRetained)
            Violation ??= "expired although it is retained";
    }

    // ---- the bus and the replicas

    public void LoseMessage() => Take(random.Next(Math.Max(1, messages.Count)));

    public void DuplicateMessage()
    {
        if (messages.Count is > 0 and < 5)
            messages.Add(messages[random.Next(messages.Count)]);
    }

    public void Kill(string replica)
    {
        jobs.Remove((replica, WorkKind.Fetch));
        jobs.Remove((replica, WorkKind.Evict));
        if (lockedBy == replica)
            lockedBy = null;
    }

    // ---- the cache registry

    public void LoseTag() => (HasTag, hasLost) = (false, true);

    /// <summary>The registry is looked at for an image that is recorded as cached; what follows is recorded by another step. Only where the
    /// registry has lost something: everywhere else the end has to be right without it.</summary>
    public void LookIntoRegistry() => look = State.IsCached && hasLost ? (State.Attempt, HasTag) : null;

    public void RecordLook()
    {
        if (look is { HasTag: false } seen && fault != Fault.LossIsNotRecorded)
            Append(ImageVerifier.Decide(State, seen.Attempt, "gone", "verification", Now));
        look = null;
    }

    /// <summary>The registry is searched for what the log does not have: looked at and recorded under the repository's lock. Only where
    /// there was a copy without a record: everywhere else the end has to be right without it.</summary>
    public void Adopt()
    {
        if (lockedBy is null && HasTag && hasUnrecordedCopy)
            Append(CacheAdoptionService.Decide(State, Image, Copy() with { Digest = TagDigest! }, Now));
    }

    /// <summary>A copy that could not be recorded: of a pull while Postgres was away.</summary>
    public void CopyWithoutRecord()
    {
        if (State.Phase is ImagePhase.Unknown or ImagePhase.Gone && lockedBy is null)
            (HasTag, TagDigest, hasUnrecordedCopy) = (true, Copy().Digest, true);
    }

    // ---- the origin

    /// <summary>The tag names something else from now on.</summary>
    public void MoveTag() => originDigest++;

    /// <summary>Begins a comparison with the origin, where a person waits for one or an interval is over.</summary>
    public void BeginRefresh(bool isIntervalOver)
    {
        if (refreshing is null && State.IsCached && (isIntervalOver || State.RefreshRequestedAt is not null))
            refreshing = new Refreshing("asks", State.Attempt, Now);
    }

    /// <summary>Continues it by one step.</summary>
    public void StepRefresh()
    {
        switch (refreshing)
        {
            case { Step: "asks" } asking when !IsOriginUp:
                refreshing = asking with
                { Step = "records", Answer = new OriginAnswer(CopyException.Unreachable) { Reason = "x", AskedAt = asking.AskedAt } };
                break;
            case { Step: "asks" } asking:
                refreshing = asking with
                { Step = "has all blobs", Answer = new OriginAnswer(OriginAnswers.Same) { Copy = Copy(), AskedAt = asking.AskedAt } };
                break;
            case { Step: "has all blobs" } copied when lockedBy is null:
                if (fault == Fault.RefreshWithoutAsking || (State.IsCached && State.Attempt == copied.Attempt))
                    (lockedBy, refreshing) = ("refresh", copied with { Step = "writes the tag" });
                else
                    refreshing = null;
                break;
            case { Step: "writes the tag" } writing:
                (HasTag, TagDigest, lockedBy) = (true, writing.Answer!.Copy!.Digest, null);
                refreshing = writing with { Step = "records" };
                break;
            case { Step: "records" } done:
                refreshing = null;
                var answer = fault == Fault.AnswerEndsEveryRequest ? done.Answer! with { AskedAt = null } : done.Answer!;
                if (fault != Fault.MoveIsNotRecorded)
                    Append(ImageRefresher.Decide(State, done.Attempt, answer, Now));
                break;
        }
    }

    private CopiedImage Copy() => new("sha256:" + originDigest.ToString("x64", null), "m", [], [], 1, 1, 0, TimeSpan.Zero);

    /// <summary>A message reaches a replica.</summary>
    public void Deliver(string replica)
    {
        if (messages.Count == 0)
            return;
        var kind = messages[random.Next(messages.Count)];
        if (jobs.ContainsKey((replica, kind)))
            return;
        messages.Remove(kind);
        if (kind == WorkKind.Fetch)
            ClaimFetch(replica);
        else
            ClaimEviction(replica);
    }

    /// <summary>Continues a replica's work by one step.</summary>
    public void Step(string replica, WorkKind kind)
    {
        if (!jobs.TryGetValue((replica, kind), out var job))
            return;
        if (kind == WorkKind.Fetch)
            StepFetch(replica, job);
        else
            StepEviction(replica, job);
    }

    private void ClaimFetch(string replica)
    {
        var lease = LeaseOn(WorkKind.Fetch);
        var decision = FetchImage.Decide(State, lease, Now, replica);
        if (decision == FetchDecision.EndsReplicas)
            Append(FetchImage.Lost(State, Image, Now));
        if (decision != FetchDecision.Take)
            return;
        Append(FetchImage.Claim(State, lease, Image, replica, Lease, Now));
        Claim(replica, WorkKind.Fetch);
    }

    private void ClaimEviction(string replica)
    {
        if (EvictImage.Decide(State, LeaseOn(WorkKind.Evict), Now, replica) != EvictDecision.Take)
            return;
        Append(new ImageEvictionStarted(Image, replica, Now + Lease, Now) { Attempt = State.Attempt + 1 });
        Claim(replica, WorkKind.Evict);
    }

    private void Claim(string replica, WorkKind kind)
    {
        var end = fault == Fault.LeaseNeverEnds ? Now.AddYears(100) : Now + Lease;
        work[kind] = new Row(end, State.Attempt, end, replica);
        jobs[(replica, kind)] = new Job("claimed", State.Attempt);
    }

    private void StepFetch(string replica, Job job)
    {
        switch (job.Step)
        {
            case "claimed" when random.Next(4) == 0:   // renews its lease and goes on copying
                if (work.TryGetValue(WorkKind.Fetch, out var row) && row.Attempt == job.Attempt)
                    work[WorkKind.Fetch] = row with { LeaseUntil = Now + Lease, WakeAt = Now + Lease };
                break;
            case "claimed":
                jobs[(replica, WorkKind.Fetch)] = job with { Step = IsOriginUp ? "has all blobs" : "failed", Copy = Copy() };
                break;
            case "has all blobs" when lockedBy is null:
                if (FetchImage.IsCurrent(State, job.Attempt) || fault == Fault.TagWithoutAsking)
                    (lockedBy, jobs[(replica, WorkKind.Fetch)]) = (replica, job with { Step = "writes the tag" });
                else
                    jobs.Remove((replica, WorkKind.Fetch));
                break;
            case "writes the tag":
                (HasTag, TagDigest, lockedBy) = (true, job.Copy!.Digest, null);
                jobs[(replica, WorkKind.Fetch)] = job with { Step = "copied" };
                break;
            case "copied":
                jobs.Remove((replica, WorkKind.Fetch));
                var attempt = fault == Fault.CopiesWithoutFencing ? State.Attempt : job.Attempt;
                var cached = FetchImage.Cached(State, Image, job.Copy!, attempt, Now);
                if (fault == Fault.CopiesWithoutFencing)
                    cached ??= State.IsWanted
                        ? FetchImage.Cached(State with { Phase = ImagePhase.Copying }, Image, job.Copy!, State.Attempt,
                            Now)! with
                        { Attempt = 0 }
                        : null;
                Append(cached);
                break;
            case "failed":
                jobs.Remove((replica, WorkKind.Fetch));
                Append(FetchImage.Failed(State, Image, new CopyException(CopyException.Unreachable, "x", true), job.Attempt, Now));
                break;
        }
    }

    private void StepEviction(string replica, Job job)
    {
        switch (job.Step)
        {
            case "claimed" when lockedBy is null:
                if (EvictImage.IsCurrent(State, job.Attempt) || fault == Fault.EvictionWithoutAsking)
                {
                    (lockedBy, jobs[(replica, WorkKind.Evict)]) = (replica, job with { Step = "removes the tag" });
                    if (Recorded.Count > 0)
                        Violation ??= "evicted while recorded pods use it";
                }
                else
                    jobs.Remove((replica, WorkKind.Evict));
                break;
            case "removes the tag":
                (HasTag, lockedBy) = (false, null);
                jobs[(replica, WorkKind.Evict)] = job with { Step = "removed" };
                break;
            case "removed":
                jobs.Remove((replica, WorkKind.Evict));
                if (EvictImage.IsCurrent(State, job.Attempt))
                    Append(new ImageEvicted(Image, Now) { Attempt = job.Attempt });
                break;
        }
    }

    // ---- the event log

    private WorkLease? LeaseOn(WorkKind kind) =>
        work.TryGetValue(kind, out var row) ? new WorkLease(row.Attempt, row.By, row.LeaseUntil > Now) : null;

    private void Append(IEnumerable<object> facts)
    {
        foreach (var fact in facts.ToArray())
            Append(fact);
    }

    private void AppendIf(bool condition, Func<object> fact)
    {
        if (condition)
            Append(fact());
    }

    private void Append(object? fact)
    {
        if (fact is null)
            return;
        Log.Add(fact);
        var before = State;
        State = ImageState.Fold(State, fact);
        if (fault == Fault.RequestOfLeavingImageCountsAsCached && before.IsLeaving && fact is RequestedByPod)
            State = State with { Phase = ImagePhase.Cached };
        if (fault == Fault.RetentionIsIgnored)
            State = State with { IsRetained = false };
        View = ImageView.Fold(View, StreamName.OfImage(Image), Log.Count, fact);
        UpdateWork(before);
        if (fact is RequestedByPod or RequestedByPerson or RequestedByPull or ImageLost)
            messages.Add(WorkKind.Fetch);
        if (fact is ImageExpired)
            messages.Add(WorkKind.Evict);
    }

    // As WorkTable.Update does it in SQL.
    private void UpdateWork(ImageState before)
    {
        var (was, open) = (Scheduled(before), Scheduled(State));
        foreach (var ended in was.Where(row => open.All(other => other.Kind != row.Kind)))
            work.Remove(ended.Kind);
        foreach (var row in open.Where(row => !was.Contains(row) && row.Attempt == 0))
        {
            if (fault == Fault.ExpiryOfAPersonOpensNoWork && row.Kind == WorkKind.ExpireAt)
                continue;
            if ((fault == Fault.RequestOpensNoWork && row.Kind == WorkKind.Fetch)
                || (fault == Fault.DeletionOpensNoWork && State.IsForgotten && row.Kind == WorkKind.Expire))
                continue;
            var wakeAt = row.Due ?? (row.Kind == WorkKind.Expire ? DateTimeOffset.MinValue : Now + TimeSpan.FromMinutes(1));
            work[row.Kind] = new Row(wakeAt == DateTimeOffset.MinValue ? Now - Delay : wakeAt, 0, default, null);
        }
    }

    // Without verification, which is never done for good: the model takes it as a step that may come at any time.
    private static IReadOnlyList<ImageWork> Scheduled(ImageState state) =>
        [.. ImageWork.From(state).Where(row => row.Kind is not (WorkKind.Verify or WorkKind.Refresh))];

    private void Take(int message)
    {
        if (message < messages.Count)
            messages.RemoveAt(message);
    }

    private sealed record Row(DateTimeOffset WakeAt, long Attempt, DateTimeOffset LeaseUntil, string? By);

    private sealed record Job(string Step, long Attempt)
    {
        public CopiedImage? Copy { get; init; }
    }

    private sealed record Refreshing(string Step, long Attempt, DateTimeOffset AskedAt)
    {
        public OriginAnswer? Answer { get; init; }
    }
}

/// <summary>A fault that is planted into the world, to see that the model test finds it.</summary>
public enum Fault
{
    None,
    CopiesWithoutFencing,
    TagWithoutAsking,
    EvictionWithoutAsking,
    RequestOfLeavingImageCountsAsCached,
    RequestOpensNoWork,
    DeletionOpensNoWork,
    NothingIsAnnouncedAgain,
    LeaseNeverEnds,
    ExpiryWithoutUsageTable,
    ExpiryWithoutDelay,
    RetentionIsIgnored,
    UnusedWithoutCounting,
    LossIsNotRecorded,
    ExpiryOfAPersonOpensNoWork,
    RefreshWithoutAsking,
    MoveIsNotRecorded,
    RequestDuringCopyIsDropped,
    AnswerEndsEveryRequest,
}
