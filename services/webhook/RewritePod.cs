using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Kuik.Contracts;

namespace Kuik.Webhook;

/// <summary>A pod about to be created or changed, as the AdmissionReview has it.</summary>
/// <param name="Operation"><c>CREATE</c> or <c>UPDATE</c>; others are left alone.</param>
/// <param name="SubResource">Empty, or <c>ephemeralcontainers</c>; others are left alone.</param>
/// <param name="Pod">The pod as it would become: raw JSON, since no library of ours knows all of a newer Kubernetes' fields.</param>
/// <param name="OldPod">The pod as it is; null on CREATE.</param>
public sealed record PodChange(string Operation, string SubResource, JsonElement? Pod, JsonElement? OldPod)
{
    /// <summary>What the <c>request</c> of an AdmissionReview says; what it does not say is left empty.</summary>
    public static PodChange Of(JsonElement? request) => new(
        request.Member("operation").Text() ?? "", request.Member("subResource").Text() ?? "", request.Member("object"), request.Member("oldObject"));
}

/// <summary>What becomes of a pod.</summary>
/// <param name="Patch">JSON Patch (RFC 6902); empty when nothing changes.</param>
/// <param name="Containers">Each container that was looked at.</param>
/// <param name="LeftAlone">Why the pod as a whole is left alone; null when it is not.</param>
public sealed record PodDecision(JsonArray Patch, IReadOnlyList<ImageDecision> Containers, string? LeftAlone = null);

/// <summary>Decides which images of a pod are rewritten and writes the patch: images, our label and our annotations, nothing else.</summary>
public static class RewritePod
{
    private const string Containers = "containers";
    private const string InitContainers = "initContainers";
    private const string EphemeralContainers = "ephemeralContainers";

    // Kubernetes refuses an object whose annotations are larger, keys and values together (TotalAnnotationSizeLimitB).
    private const int LargestAnnotations = 256 * 1024;

    /// <summary>Decides about a pod, from the request and the settings alone.</summary>
    public static PodDecision Decide(PodChange change, RewriteOptions options) => change switch
    {
        { Pod: not { ValueKind: JsonValueKind.Object } } => new([], [], "the request has no object"),
        { SubResource: "", Operation: "CREATE" or "UPDATE" } => DecidePod(change, options),
        { SubResource: "ephemeralcontainers", Operation: "UPDATE" } => DecideEphemeral(change, options),
        _ => new([], [], $"{change.Operation} of pods/{change.SubResource} is none of ours"),
    };

    // Ephemeral containers cannot be part of a CREATE, and no UPDATE of the pod itself may change them: they are not looked at here.
    private static PodDecision DecidePod(PodChange change, RewriteOptions options)
    {
        var metadata = change.Pod.Member("metadata");
        var annotations = metadata.Member("annotations");
        var containers = Read(change.Pod, Containers, annotations).Concat(Read(change.Pod, InitContainers, annotations)).ToList();
        if (WhyLeftAlone(metadata) is { } reason)
            return LeftAlone(containers, reason);
        if (containers.Where(container => container.Name.Length > 0).GroupBy(container => AnnotationOf(container.List, container.Name)).FirstOrDefault(same => same.Count() > 1) is { } shared)
            return LeftAlone(containers, $"two containers would share the annotation {shared.Key}");

        // 1. The images.
        var isMarked = change.Operation == "CREATE" || annotations.Member(Names.RewriteAnnotation).Text() == "true";
        var decisions = containers.ConvertAll(container => RewriteImage.Decide(container, isMarked, options));
        var patch = new JsonArray([.. decisions.Where(decision => decision.Image is not null).Select(ReplaceImage)]);

        // 2. The label by which pod-watcher follows the pod, and the annotations that keep what was rewritten.
        var notes = new Dictionary<string, string> { [Names.RewriteAnnotation] = isMarked ? "true" : "false" };
        foreach (var rewritten in decisions.Where(decision => decision.Outcome == Outcome.Rewritten))
            notes[AnnotationOf(rewritten.Container.List, rewritten.Container.Name)] = rewritten.Container.Image;
        if (Size(annotations, notes) > LargestAnnotations)
            return LeftAlone(containers, $"its annotations would pass {LargestAnnotations / 1024} KiB");
        Set(patch, metadata, "labels", new Dictionary<string, string> { [Names.ManagedLabel] = "true" });
        Set(patch, metadata, "annotations", notes);
        return new PodDecision(patch, decisions);
    }

    // The subresource takes nothing but new ephemeral containers: what it says about metadata is dropped, and those that exist cannot be
    // changed. So the pod's marks are read from the pod as it is, and the rewritten name itself has to say its origin.
    private static PodDecision DecideEphemeral(PodChange change, RewriteOptions options)
    {
        var containers = Read(change.Pod, EphemeralContainers, annotations: null).ToList();
        if (change.Pod.Member("kind").Text() is { } kind and not "Pod")
            return LeftAlone(containers, $"the object is of kind {kind}, not Pod");
        if (change.OldPod is null)
            return LeftAlone(containers, "the request does not say what the pod is like now");
        var metadata = change.OldPod.Member("metadata");
        if (WhyLeftAlone(metadata) is { } reason)
            return LeftAlone(containers, reason);

        var isMarked = metadata.Member("labels").Member(Names.ManagedLabel) is not null && metadata.Member("annotations").Member(Names.RewriteAnnotation).Text() == "true";
        var existing = Read(change.OldPod, EphemeralContainers, annotations: null).Select(container => container.Name).ToHashSet();
        var decisions = containers.ConvertAll(container => existing.Contains(container.Name)
            ? new ImageDecision(container, Outcome.Existing, "was there before")
            : RewriteImage.Decide(container, isMarked, options));
        return new PodDecision(new JsonArray([.. decisions.Where(decision => decision.Image is not null).Select(ReplaceImage)]), decisions);
    }

    private static string? WhyLeftAlone(JsonElement? metadata)
    {
        if (metadata is not { ValueKind: JsonValueKind.Object })
            return "it has no metadata";
        if (!IsMapOrAbsent(metadata.Member("labels")) || !IsMapOrAbsent(metadata.Member("annotations")))
            return "its labels or annotations are no map";
        if (metadata.Member("annotations").Member(Names.MirrorPodAnnotation) is not null)
            return "a mirror pod: the kubelet runs it from a file";
        return metadata.Member("labels").Member(Names.PolicyLabel).Text() == "ignore" ? $"label {Names.PolicyLabel}=ignore" : null;
    }

    private static bool IsMapOrAbsent(JsonElement? element) => element is not { } map || map.IsMap();

    private static PodDecision LeftAlone(IEnumerable<Container> containers, string reason) =>
        new([], [.. containers.Select(container => new ImageDecision(container, Outcome.PodLeftAlone, reason))], reason);

    private static IEnumerable<Container> Read(JsonElement? pod, string list, JsonElement? annotations) =>
        pod.Member("spec").Member(list).Items().Select((container, index) =>
        {
            var name = container.Member("name").Text() ?? "";
            return new Container(list, index, name, container.Member("image").Text() ?? "", container.Member("imagePullPolicy").Text() ?? "",
                annotations.Member(AnnotationOf(list, name)).Text());
        });

    private static string AnnotationOf(string list, string container) =>
        list == InitContainers ? Names.OriginalInitImageAnnotation(container) : Names.OriginalImageAnnotation(container);

    private static JsonNode ReplaceImage(ImageDecision decision) =>
        Operation("replace", $"/spec/{decision.Container.List}/{decision.Container.Index}/image", decision.Image);

    private static void Set(JsonArray patch, JsonElement? metadata, string map, Dictionary<string, string> wanted)
    {
        if (metadata.Member(map) is not { } existing)
        {
            patch.Add((JsonNode)Operation("add", $"/metadata/{map}", new JsonObject(wanted.Select(entry => KeyValuePair.Create(entry.Key, (JsonNode?)entry.Value)))));
            return;
        }
        foreach (var (key, value) in wanted)
        {
            if (((JsonElement?)existing).Member(key).Text() != value)
                patch.Add((JsonNode)Operation("add", $"/metadata/{map}/{Escape(key)}", value));
        }
    }

    private static JsonObject Operation(string op, string path, JsonNode? value) => new() { ["op"] = op, ["path"] = path, ["value"] = value };

    // RFC 6901, section 3.
    private static string Escape(string key) => key.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);

    // Of an annotation that comes twice, the last one counts: a Kubernetes API reads it so.
    private static int Size(JsonElement? annotations, Dictionary<string, string> added)
    {
        var all = annotations?.EnumerateObject().GroupBy(note => note.Name).ToDictionary(same => same.Key, same => ((JsonElement?)same.Last().Value).Text() ?? "") ?? [];
        foreach (var (key, value) in added)
            all[key] = value;
        return all.Sum(note => Encoding.UTF8.GetByteCount(note.Key) + Encoding.UTF8.GetByteCount(note.Value));
    }
}
