using Kuik.Contracts;

namespace Kuik.EventLog.Audit;

/// <summary>The image, pod or workload that a question is about.</summary>
/// <param name="Image">The normalised reference; null for a pod or workload.</param>
/// <param name="Kind"><c>pod</c>, or the workload's kind in lower case; null for an image.</param>
/// <param name="Uid">The uid; null when it is known by its name, or for an image.</param>
/// <param name="Name">Namespace and name; null when it is known by its uid, or for an image.</param>
public sealed record Subject(string? Image, string? Kind, string? Uid, (string Namespace, string Name)? Name)
{
    /// <summary>For descriptions of arguments.</summary>
    public const string Accepted =
        "an image (nginx:1.27), pod/NAMESPACE/NAME, pod/UID, a workload such as deployment/NAMESPACE/NAME, or workload/UID";

    private static readonly string[] Kinds =
        ["pod", "workload", "deployment", "statefulset", "daemonset", "replicaset", "job", "cronjob"];

    /// <summary>Reads it.</summary>
    /// <returns>The subject; null, with the problem, when it is none.</returns>
    public static (Subject? Subject, string? Problem) Parse(string text)
    {
        var parts = text.Split('/');
        var kind = parts[0].ToLowerInvariant();
        if (parts.Length > 1 && Kinds.Contains(kind))
            return parts switch
            {
                [_, var uid] when kind is "pod" or "workload" && uid.Length > 0 => (new Subject(null, kind, uid, null), null),
                [_, { Length: > 0 } space, { Length: > 0 } name] => (new Subject(null, kind, null, (space, name)), null),
                _ => (null, $"'{text}' is not {Accepted}."),
            };
        return ImageReference.TryParse(text, out var reference, out var problem)
            ? (new Subject(reference.ToString(), null, null, null), null)
            : (null, $"'{text}' is not {Accepted}: {problem}");
    }

    /// <summary>The events of its stream or, known by its name only, of all pods or workloads that had it.</summary>
    public EventQuery Query => this switch
    {
        { Image: { } image } => new EventQuery { Streams = [StreamName.OfImage(image)] },
        { Kind: "pod", Uid: { } uid } => new EventQuery { Streams = [StreamName.OfPod(uid)] },
        { Uid: { } uid } => new EventQuery { Streams = [StreamName.OfWorkload(uid)] },
        _ => new EventQuery { User = Name },
    };

    /// <summary>False for an event of another kind of object with the same name.</summary>
    public bool Covers(RecordedEvent one) => Kind is null or "workload" || KindOf(one.Fact) is not { } kind
        || string.Equals(kind, Kind, StringComparison.OrdinalIgnoreCase);

    /// <inheritdoc/>
    public override string ToString() => Image ?? $"{Kind}/{Uid ?? $"{Name!.Value.Namespace}/{Name.Value.Name}"}";

    private static string? KindOf(object? fact) => fact switch
    {
        PodObserved or PodGone => "pod",
        WorkloadObserved e => e.Kind,
        WorkloadGone e => e.Kind,
        _ => null,
    };
}
