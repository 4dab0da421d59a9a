using System.Collections.Concurrent;

namespace Kuik.PodWatcher;

/// <summary>Why a pod or workload is taken not to be there, or not to be followed any more.</summary>
/// <param name="Reason">As <see cref="Contracts.PodGone.Reason"/>.</param>
/// <param name="Last">What was last seen of it; null when a list lacks it.</param>
/// <param name="Version">The resourceVersion at which it was not there; null when that is no number.</param>
internal sealed record PodAbsence(string Reason, LivePod? Last, long? Version)
{
    /// <summary>A complete list lacks it.</summary>
    public const string Absent = nameof(Absent);

    /// <summary>Its deletion was seen.</summary>
    public const string Deleted = nameof(Deleted);

    /// <summary>It lives and is not followed any more.</summary>
    public const string LabelRemoved = nameof(LabelRemoved);

    /// <summary>Its kind is not among <c>Kuik:FollowedWorkloads</c>.</summary>
    public const string NotFollowed = nameof(NotFollowed);
}

/// <summary>
/// The evidence that pods and workloads are gone. That one is not in the reflector's state is none: the list that it came from may have been wrong.
/// Thread safe.
/// </summary>
internal sealed class PodAbsences
{
    private readonly ConcurrentDictionary<string, PodAbsence> _byUid = new();

    /// <summary>What is known of a pod's absence; null for nothing.</summary>
    public PodAbsence? Find(string uid) => _byUid.GetValueOrDefault(uid);

    /// <summary>The pod is not there.</summary>
    public void Add(string uid, PodAbsence absence) => _byUid[uid] = absence;

    /// <summary>It has been recorded, or the pod is there.</summary>
    public void Remove(string uid) => _byUid.TryRemove(uid, out _);
}
