using System.Text.Json;
using System.Text.Json.Nodes;
using Kuik.Contracts;

namespace Kuik.Webhook;

/// <summary>Decides which images of a pod are rewritten and writes the patch: images, our label and our annotations, nothing
/// else.</summary>
public static class RewritePod
{
    /// <summary>Decides about a pod, from the request and the settings alone.</summary>
    public static PodDecision Decide(PodChange change, RewriteOptions options) => change switch
    {
        { Pod: not { ValueKind: JsonValueKind.Object } } => new([], [], "the request has no object"),
        _ when Math.Max(PodImages.Count(change.Pod), PodImages.Count(change.OldPod)) > PodImages.Most =>
            new([], [], $"it has more than {PodImages.Most} containers and volumes", PodImages.Count(change.Pod)),
        { SubResource: "", Operation: "CREATE" or "UPDATE" } => DecidePod(change, options),
        { SubResource: "ephemeralcontainers", Operation: "UPDATE" } => DecideEphemeral(change, options),
        _ => new([], [], $"{change.Operation} of pods/{change.SubResource} is none of ours"),
    };

    // Ephemeral containers cannot be part of a CREATE, and no UPDATE of the pod itself may change them: they are not decided about here.
    private static PodDecision DecidePod(PodChange change, RewriteOptions options)
    {
        var metadata = change.Pod.Member("metadata");
        var originals = PodImages.Originals(metadata.Member("annotations"));
        string[] lists = [PodImages.Containers, PodImages.InitContainers, PodImages.Volumes];
        var containers = lists.SelectMany(list => PodImages.Read(change.Pod, list, originals)).ToList();
        if (WhyLeftAlone(change.Pod, change, options) is { } reason)
            return LeftAlone(containers, reason);
        if (FindSharedAnnotation(containers) is { } shared)
            return LeftAlone(containers, (Outcome.PodLeftAlone, $"two containers would share the annotation {shared}"));

        // 1. The images. Of an update only those that the request itself changes: another image restarts a container.
        var isCreate = change.Operation == "CREATE";
        var isMarked = isCreate || metadata.Member("annotations").Member(Names.RewriteAnnotation).Text() == "true";
        var before = isCreate ? null : ImagesBefore(change.OldPod, lists);
        var decisions = containers.ConvertAll(container => before?.GetValueOrDefault((container.List, container.Name)) == container.Image
            ? new ImageDecision(container, Outcome.Unchanged, "the request does not change its image")
            : RewriteImage.Decide(container, isMarked, options));

        // 2. The label by which pod-watcher follows the pod, and the annotations that keep the original images.
        var notes = NotesOf(decisions, change, options);
        var isFollowed = isCreate || decisions.Exists(decision => options.IsOurs(decision.Image ?? decision.Container.Image));
        if (notes.Count > 0 && PodMetadata.Size(metadata, notes) > PodMetadata.LargestAnnotations)
            return LeftAlone(containers, (Outcome.PodLeftAlone, $"its annotations would pass {PodMetadata.LargestAnnotations / 1024} KiB"));
        var patch = new JsonArray([.. decisions.Where(decision => decision.Image is not null).Select(ReplaceImage)]);
        if (isFollowed)
            PodMetadata.Set(patch, metadata, "labels", new() { [Names.ManagedLabel] = "true" });
        PodMetadata.Set(patch, metadata, "annotations", notes);
        return new PodDecision(patch, decisions);
    }

    /// <summary>
    /// The annotations to write, null for those to remove: the original of each rewritten image; none where the image is another one than
    /// the annotation says (pod-watcher would count that one as used for as long as the pod lives); those back that an update takes from
    /// containers which still run from node-proxy; and the trace of the admission.
    /// </summary>
    private static Dictionary<string, string?> NotesOf(List<ImageDecision> decisions, PodChange change, RewriteOptions options)
    {
        var notes = new Dictionary<string, string?>();
        if (change.Operation == "CREATE")
            notes[Names.RewriteAnnotation] = "true";
        if (change is { Operation: "CREATE", TraceParent: { } trace } && decisions.Exists(decision => decision.Image is not null))
            notes[Names.TraceAnnotation] = trace;
        var old = new Lazy<Dictionary<string, string>>(() => PodImages.Originals(change.OldPod.Member("metadata").Member("annotations")));
        foreach (var (container, outcome, _, _) in decisions)
        {
            var key = PodImages.AnnotationOf(container.List, container.Name);
            if (outcome == Outcome.Rewritten)
                notes[key] = container.Image;
            else if (outcome == Outcome.Unchanged && container.Original is null && old.Value.TryGetValue(key, out var original)
                && RewriteImage.IsOurs(container.Image, original, options))
                notes[key] = original;
            else if (outcome is not (Outcome.Unchanged or Outcome.Repointed)
                && container.Original is not null && !RewriteImage.IsOurs(container.Image, container.Original, options))
                notes[key] = null;
        }
        return notes;
    }

    // The subresource takes nothing but new ephemeral containers: its metadata is dropped, and existing ones cannot be
    // changed. So the pod's marks are read from the pod as it is, and the rewritten name itself has to say its origin.
    private static PodDecision DecideEphemeral(PodChange change, RewriteOptions options)
    {
        var containers = PodImages.Read(change.Pod, PodImages.EphemeralContainers, originals: null).ToList();
        if (change.Pod.Member("kind").Text() is { } kind and not "Pod")
            return LeftAlone(containers, (Outcome.PodLeftAlone, $"the object is of kind {kind}, not Pod"));
        if (WhyLeftAlone(change.OldPod, change, options) is { } reason)
            return LeftAlone(containers, reason);

        var metadata = change.OldPod.Member("metadata");
        var isMarked = metadata.Member("labels").Member(Names.ManagedLabel) is not null
            && metadata.Member("annotations").Member(Names.RewriteAnnotation).Text() == "true";
        var existing = PodImages.Read(change.OldPod, PodImages.EphemeralContainers, originals: null)
            .Select(container => container.Name).ToHashSet();
        var decisions = containers.ConvertAll(container => existing.Contains(container.Name)
            ? new ImageDecision(container, Outcome.Existing, "was there before")
            : RewriteImage.Decide(container, isMarked, options));
        return new PodDecision(new JsonArray([.. decisions.Where(decision => decision.Image is not null).Select(ReplaceImage)]), decisions);
    }

    private static (Outcome Outcome, string Reason)? WhyLeftAlone(JsonElement? pod, PodChange change, RewriteOptions options)
    {
        if (change is { Operation: "UPDATE", OldPod: null })
            return (Outcome.PodLeftAlone, "the request does not say what the pod is like now");
        var metadata = pod.Member("metadata");
        if (metadata is not { ValueKind: JsonValueKind.Object })
            return (Outcome.PodLeftAlone, "it has no metadata");
        if (!IsMapOrAbsent(metadata.Member("labels")) || !IsMapOrAbsent(metadata.Member("annotations")))
            return (Outcome.PodLeftAlone, "its labels or annotations are no map");
        if (metadata.Member("annotations").Member(Names.MirrorPodAnnotation) is not null)
            return (Outcome.PodLeftAlone, "a mirror pod: the kubelet runs it from a file");
        if (metadata.Member("labels").Member(Names.PolicyLabel).Text() == "ignore")
            return (Outcome.PodLeftAlone, $"label {Names.PolicyLabel}=ignore");
        if (change.Operation == "UPDATE" && metadata.Member("deletionTimestamp") is not null)
            return (Outcome.PodTerminating, "it is being deleted");
        return options.Exclusions.Find(pod);
    }

    private static bool IsMapOrAbsent(JsonElement? element) => element is not { } map || map.IsMap();

    private static PodDecision LeftAlone(IEnumerable<Container> containers, (Outcome Outcome, string Reason) because) =>
        new([], [.. containers.Select(container => new ImageDecision(container, because.Outcome, because.Reason))], because.Reason);

    private static string? FindSharedAnnotation(IEnumerable<Container> containers) => containers
        .Where(container => container.Name.Length > 0)
        .GroupBy(container => PodImages.AnnotationOf(container.List, container.Name))
        .FirstOrDefault(same => same.Count() > 1)?.Key;

    // Of names that come twice (no Kubernetes takes them) the last one counts.
    private static Dictionary<(string List, string Name), string> ImagesBefore(JsonElement? oldPod, string[] lists)
    {
        var images = new Dictionary<(string, string), string>();
        foreach (var container in lists.SelectMany(list => PodImages.Read(oldPod, list, originals: null)))
            images[(container.List, container.Name)] = container.Image;
        return images;
    }

    private static JsonNode ReplaceImage(ImageDecision decision) =>
        PodMetadata.Operation("replace", PodImages.PathOf(decision.Container), decision.Image);
}
