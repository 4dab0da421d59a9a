using System.Text.Json.Nodes;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>
/// The finalizers of kube-image-keeper v1. Only its controllers removed them: without these, a deleted object that has one stays in
/// deletion for ever.
/// </summary>
internal static class V1Finalizers
{
    private static readonly string[] Ours = ["cachedimage.kuik.enix.io/finalizer", "repository.kuik.enix.io/finalizer"];

    /// <summary>The merge patch that removes those of v1 and leaves others; null when the object has none of v1. It fails with a conflict
    /// when the object has changed since.</summary>
    public static JsonObject? Removal(ObjectMeta metadata)
    {
        var rest = (metadata.Finalizers ?? []).Except(Ours).ToArray();
        if (rest.Length == (metadata.Finalizers?.Count ?? 0))
            return null;
        return new JsonObject
        {
            ["metadata"] = new JsonObject
            {
                ["resourceVersion"] = metadata.ResourceVersion,
                ["finalizers"] = rest.Length == 0 ? null : new JsonArray([.. rest.Select(name => JsonValue.Create(name))]),
            },
        };
    }
}
