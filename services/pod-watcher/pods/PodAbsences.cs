using System.Collections.Concurrent;

namespace Kuik.PodWatcher;

/// <summary>The evidence that a pod or workload does not exist, or is not followed any more.</summary>
/// <param name="Reason">A value of <see cref="Contracts.PodGone.Reason"/>.</param>
/// <param name="Last">Its last observed state; null when the evidence is a list.</param>
/// <param name="Version">The resourceVersion at which it did not exist; null when that is not a number.</param>
internal sealed record PodAbsence(string Reason, LivePod? Last, long? Version)
{
    /// <summary>A complete list does not contain it.</summary>
    public const string Absent = nameof(Absent);

    /// <summary>The watch reported its deletion.</summary>
    public const string Deleted = nameof(Deleted);

    /// <summary>It exists and is not followed any more.</summary>
    public const string LabelRemoved = nameof(LabelRemoved);

    /// <summary>Its kind is not among <c>Kuik:FollowedWorkloads</c>.</summary>
    public const string NotFollowed = nameof(NotFollowed);
}

/// <summary>
/// The evidence that pods and workloads are gone. Absence from the reflector's state is not sufficient: the list that it came from may have
/// been wrong. Thread-safe.
/// </summary>
internal sealed class PodAbsences
{
    private readonly ConcurrentDictionary<string, PodAbsence> _byUid = new();

    /// <summary>The evidence of an absence; null for none.</summary>
    public PodAbsence? Find(string uid) => _byUid.GetValueOrDefault(uid);

    /// <summary>Adds evidence.</summary>
    public void Add(string uid, PodAbsence absence) => _byUid[uid] = absence;

    /// <summary>Removes evidence that has been recorded or refuted.</summary>
    public void Remove(string uid) => _byUid.TryRemove(uid, out _);
}
