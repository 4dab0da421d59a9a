using System.Text.Json;
using Kuik.Contracts;

namespace Kuik.Webhook;

/// <summary>The containers and image volumes of a pod, read from its JSON.</summary>
internal static class PodImages
{
    public const string Containers = "containers";
    public const string InitContainers = "initContainers";
    public const string EphemeralContainers = "ephemeralContainers";
    public const string Volumes = "volumes";

    /// <summary>
    /// Largest number of containers and volumes of a pod that is looked at. Kubernetes has no limit but the object's size, which allows
    /// tens of thousands; no node runs a pod of a thousand.
    /// </summary>
    public const int Most = 5000;

    private static readonly string[] Lists = [Containers, InitContainers, EphemeralContainers, Volumes];

    /// <summary>How many containers and volumes (of any kind) a pod has. Takes no longer for a large pod.</summary>
    public static int Count(JsonElement? pod)
    {
        var spec = pod.Member("spec");
        return Lists.Sum(list => spec.Member(list) is { ValueKind: JsonValueKind.Array } items ? items.GetArrayLength() : 0);
    }

    /// <summary>The containers of a list; of <see cref="Volumes"/>, the image volumes.</summary>
    /// <param name="pod">The pod.</param>
    /// <param name="list">Its list.</param>
    /// <param name="originals">The result of <see cref="Originals"/>; null for a list without annotations.</param>
    public static IEnumerable<Container> Read(JsonElement? pod, string list, IReadOnlyDictionary<string, string>? originals)
    {
        var index = -1;
        foreach (var item in pod.Member("spec").Member(list).Items())
        {
            index++;
            var isVolume = list == Volumes;
            var (image, policy) = isVolume ? ("reference", "pullPolicy") : ("image", "imagePullPolicy");
            var source = isVolume ? item.Member("image") : item;
            if (isVolume && source is null)
                continue;
            var name = item.Member("name").Text() ?? "";
            yield return new Container(
                list, index, name, source.Member(image).Text() ?? "", source.Member(policy).Text() ?? "",
                originals?.GetValueOrDefault(AnnotationOf(list, name)));
        }
    }

    /// <summary>The annotations that keep original images, by their key; empty when the annotations are no map.</summary>
    public static Dictionary<string, string> Originals(JsonElement? annotations)
    {
        var originals = new Dictionary<string, string>(StringComparer.Ordinal);
        if (annotations is not { } map || !map.IsMap())
            return originals;
        foreach (var note in map.EnumerateObject())
        {
            if (!note.Name.StartsWith("original-", StringComparison.Ordinal))
                continue;
            if (((JsonElement?)note.Value).Text() is { } image)
                originals[note.Name] = image;
            else
                originals.Remove(note.Name);   // of a key that comes twice the last one counts
        }
        return originals;
    }

    /// <summary>The annotation that keeps the original image.</summary>
    public static string AnnotationOf(string list, string name) => list switch
    {
        InitContainers => Names.OriginalInitImageAnnotation(name),
        Volumes => Names.OriginalVolumeImageAnnotation(name),
        _ => Names.OriginalImageAnnotation(name),
    };

    /// <summary>Where the image stands, as a JSON Pointer.</summary>
    public static string PathOf(Container container) =>
        $"/spec/{container.List}/{container.Index}/image{(container.List == Volumes ? "/reference" : "")}";
}
