using Kuik.Contracts;

namespace Kuik.EventLog.Audit;

/// <summary>The names of pods and workloads, for the events of images, which have their uids alone.</summary>
internal sealed class UserNames
{
    private readonly Dictionary<string, string> _byUid = new(StringComparer.Ordinal);

    /// <summary>Looks them up in the log.</summary>
    /// <param name="reader">Reads the log.</param>
    /// <param name="uids">Of pods and workloads.</param>
    /// <param name="space">The only namespace whose names may be shown; null for all.</param>
    /// <param name="ct">Cancels it.</param>
    public static async Task<UserNames> Find(EventReader reader, IEnumerable<string> uids, string? space, CancellationToken ct)
    {
        var names = new UserNames();
        var streams = uids.Distinct().SelectMany(uid => new[] { StreamName.OfPod(uid), StreamName.OfWorkload(uid) }).ToArray();
        if (streams.Length == 0)
            return names;
        await foreach (var one in reader.Read(new EventQuery { Streams = streams }, ct))
            if (Of(one.Fact) is { } user && (space is null || user.Namespace == space))
                names._byUid[user.Uid] = $"{user.Namespace}/{user.Name}";
        return names;
    }

    /// <summary>The sentence with the name in place of the uid; unchanged where the log does not know it.</summary>
    public string Name(string sentence, string? uid) =>
        uid is not null && _byUid.TryGetValue(uid, out var name) ? sentence.Replace(uid, name, StringComparison.Ordinal) : sentence;

    /// <summary>The pod or workload of an event; null for an event of something else.</summary>
    internal static (string Uid, string Namespace, string Name)? Of(object? fact) => fact switch
    {
        PodObserved e => (e.PodUid, e.Namespace, e.Name),
        PodGone e => (e.PodUid, e.Namespace, e.Name),
        WorkloadObserved e => (e.WorkloadUid, e.Namespace, e.Name),
        WorkloadGone e => (e.WorkloadUid, e.Namespace, e.Name),
        _ => null,
    };
}
