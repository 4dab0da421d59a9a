using System.Globalization;
using System.Text.Json;
using Kuik.Contracts;

namespace Kuik.Testing;

/// <summary>A pod as the webhook leaves it: images rewritten to node-proxy, the originals in annotations, the label on it.</summary>
/// <param name="Namespace">Made with it when it is not there yet.</param>
/// <param name="Name">In its namespace.</param>
/// <param name="Images">References as the pod's author wrote them; the containers are <c>c0</c>, <c>c1</c> and so on.</param>
public sealed record ScriptedPod(string Namespace, string Name, IReadOnlyList<string> Images)
{
    /// <summary>True for a pod with the label of rewritten pods. Default true.</summary>
    public bool IsManaged { get; init; } = true;

    /// <summary>Its ServiceAccount. Default <c>default</c>.</summary>
    public string Account { get; init; } = "default";

    /// <summary>Names of its pull secrets. Default none.</summary>
    public IReadOnlyList<string> PullSecrets { get; init; } = [];

    /// <summary>Its node; null for a pod that is not scheduled. Default <c>node-0</c>.</summary>
    public string? Node { get; init; } = "node-0";

    /// <summary>The ReplicaSet that controls it; null for none (default).</summary>
    public string? ReplicaSet { get; init; }

    /// <summary>node-proxy's port in its images. Default 7439.</summary>
    public int ProxyPort { get; init; } = 7439;

    /// <summary><c>status.phase</c>. Default <c>Running</c>.</summary>
    public string Phase { get; init; } = "Running";
}

/// <summary>A <see cref="ScriptedPod"/> in the store: what is the same in all pods is written anew for each answer, so that 100,000 of them
/// are 20 MB.</summary>
internal sealed class PodStoredObject(ScriptedPod pod, Guid uid, DateTimeOffset createdAt) : StoredObject
{
    private static readonly IReadOnlyDictionary<string, string> Managed = new Dictionary<string, string> { [Names.ManagedLabel] = "true" };
    private static readonly IReadOnlyDictionary<string, string> Unmanaged = new Dictionary<string, string>();

    public ScriptedPod Pod => pod;

    public override string Namespace => pod.Namespace;

    public override string Name => pod.Name;

    public override string Uid => uid.ToString();

    public override IReadOnlyDictionary<string, string> Labels => pod.IsManaged ? Managed : Unmanaged;

    /// <summary>The same pod after a change of what its author or its controller wrote.</summary>
    public PodStoredObject With(Func<ScriptedPod, ScriptedPod> change) => new(change(pod), uid, createdAt);

    public override void Write(Utf8JsonWriter json, long version)
    {
        json.WriteStartObject();
        json.WriteString("kind", "Pod");
        json.WriteString("apiVersion", "v1");
        WriteMetadata(json, version);
        WriteSpec(json);
        WriteStatus(json);
        json.WriteEndObject();
    }

    private void WriteMetadata(Utf8JsonWriter json, long version)
    {
        json.WriteStartObject("metadata");
        json.WriteString("name", pod.Name);
        json.WriteString("namespace", pod.Namespace);
        json.WriteString("uid", uid);
        json.WriteString("resourceVersion", Text(version));
        json.WriteString("creationTimestamp", createdAt.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
        json.WriteStartObject("labels");
        foreach (var (key, value) in Labels)
            json.WriteString(key, value);
        json.WriteEndObject();
        json.WriteStartObject("annotations");
        for (var i = 0; i < pod.Images.Count; i++)
            json.WriteString(Names.OriginalImageAnnotation(ContainerName(i)), pod.Images[i]);
        json.WriteEndObject();
        if (pod.ReplicaSet is { } owner)
        {
            json.WriteStartArray("ownerReferences");
            json.WriteStartObject();
            json.WriteString("apiVersion", "apps/v1");
            json.WriteString("kind", "ReplicaSet");
            json.WriteString("name", owner);
            json.WriteString("uid", uid);
            json.WriteBoolean("controller", true);
            json.WriteEndObject();
            json.WriteEndArray();
        }
        json.WriteEndObject();
    }

    private void WriteSpec(Utf8JsonWriter json)
    {
        json.WriteStartObject("spec");
        json.WriteString("serviceAccountName", pod.Account);
        if (pod.Node is { } node)
            json.WriteString("nodeName", node);
        json.WriteStartArray("imagePullSecrets");
        foreach (var secret in pod.PullSecrets)
        {
            json.WriteStartObject();
            json.WriteString("name", secret);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartArray("containers");
        for (var i = 0; i < pod.Images.Count; i++)
        {
            json.WriteStartObject();
            json.WriteString("name", ContainerName(i));
            json.WriteString("image", $"localhost:{pod.ProxyPort}/{LocalForm(pod.Images[i])}");
            json.WriteString("imagePullPolicy", "IfNotPresent");
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private void WriteStatus(Utf8JsonWriter json)
    {
        json.WriteStartObject("status");
        json.WriteString("phase", pod.Phase);
        json.WriteEndObject();
    }

    // As the webhook writes it: the port of the image's host behind an underscore, because a reference has room for one colon only.
    private static string LocalForm(string image)
    {
        var slash = image.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? image : image[..slash].Replace(':', '_') + image[slash..];
    }

    private static string ContainerName(int index) =>
        index switch { 0 => "c0", 1 => "c1", _ => "c" + index.ToString(CultureInfo.InvariantCulture) };
}
