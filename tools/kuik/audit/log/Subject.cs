using System.CommandLine;
using System.CommandLine.Parsing;
using Kuik.Contracts;
using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Audit;

/// <summary>The image, pod or workload that a question is about.</summary>
/// <param name="Image">The normalised reference; null for a pod or workload.</param>
/// <param name="Kind"><c>pod</c>, or the workload's kind in lower case; null for an image.</param>
/// <param name="Uid">The uid; null when it is known by its name, or for an image.</param>
/// <param name="Name">Namespace and name; null when it is known by its uid, or for an image.</param>
internal sealed record Subject(string? Image, string? Kind, string? Uid, (string Namespace, string Name)? Name)
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

    /// <summary>An argument with any of them.</summary>
    public static Argument<Subject?> Argument() => new("subject") { Description = "Subject: " + Accepted, CustomParser = Read };

    /// <summary>An argument with an image.</summary>
    public static Argument<Subject?> ImageArgument() => new("image")
    {
        Description = "Image as in a pod, for example nginx:1.27 or registry.example.com/team/app@sha256:…",
        CustomParser = ReadImage,
    };

    private static string? KindOf(object? fact) => fact switch
    {
        PodObserved or PodGone => "pod",
        WorkloadObserved e => e.Kind,
        WorkloadGone e => e.Kind,
        _ => null,
    };

    private static Subject? Read(ArgumentResult result)
    {
        var (subject, problem) = Parse(result.Tokens.Single().Value);
        if (problem is not null)
            result.AddError(problem);
        return subject;
    }

    /// <summary>Reads an option or argument with an image.</summary>
    internal static Subject? ReadImage(ArgumentResult result)
    {
        var text = result.Tokens.Single().Value;
        if (ImageReference.TryParse(text, out var reference, out var problem))
            return new Subject(reference.ToString(), null, null, null);
        result.AddError($"'{text}' is not an image: {problem}");
        return null;
    }
}
