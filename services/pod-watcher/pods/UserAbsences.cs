using System.Collections.Concurrent;

namespace Kuik.PodWatcher;

/// <summary>
/// The evidence that pods and workloads are gone. Absence from the reflector's state is not sufficient: the list that it came from may have
/// been wrong. Thread-safe.
/// </summary>
internal sealed class UserAbsences
{
    private readonly ConcurrentDictionary<string, UserAbsence> _byUid = new();

    /// <summary>The evidence of an absence; null for none.</summary>
    public UserAbsence? Find(string uid) => _byUid.GetValueOrDefault(uid);

    /// <summary>Adds evidence.</summary>
    public void Add(string uid, UserAbsence absence) => _byUid[uid] = absence;

    /// <summary>Removes evidence that has been recorded or refuted.</summary>
    public void Remove(string uid) => _byUid.TryRemove(uid, out _);
}
