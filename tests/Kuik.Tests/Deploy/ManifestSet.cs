using System.Reflection;
using System.Text.RegularExpressions;
using k8s;
using k8s.Models;

namespace Kuik.Tests.Deploy;

/// <summary>An object of a built kustomization.</summary>
/// <param name="Kind">For example <c>Deployment</c>.</param>
/// <param name="Metadata">Name, namespace, labels, annotations.</param>
/// <param name="Value">As KubernetesClient knows it; null for a kind of another project.</param>
/// <param name="Yaml">Its document.</param>
internal sealed record Manifest(string Kind, V1ObjectMeta Metadata, object? Value, string Yaml)
{
    public string Name => $"{Kind} {Metadata.Name}";
}

/// <summary>A workload's pods.</summary>
/// <param name="Owner">For example <c>Deployment kuik-webhook</c>.</param>
/// <param name="Replicas">How many at a time; 1 for a DaemonSet and a CronJob.</param>
/// <param name="Template">The template of its pods.</param>
internal sealed record PodTemplate(string Owner, int Replicas, V1PodTemplateSpec Template)
{
    public V1PodSpec Spec => Template.Spec;

    public IEnumerable<V1Container> Containers => [.. Spec.InitContainers ?? [], .. Spec.Containers];

    public bool IsNodeProxy => Owner == "DaemonSet kuik-node-proxy";

    public bool Matches(IEnumerable<KeyValuePair<string, string>> labels) => labels.All(label => Template.Metadata.Labels.Contains(label));
}

/// <summary>The objects of a built kustomization.</summary>
internal sealed partial record ManifestSet(IReadOnlyList<Manifest> Manifests)
{
    private const string Components = "components.kuik.enix.io/";

    /// <summary>The kinds of other projects, whose types KubernetesClient does not have, by API group.</summary>
    private static readonly string[] OtherGroups =
        ["cert-manager.io", "keda.sh", "monitoring.coreos.com", "postgresql.cnpg.io", "rabbitmq.com"];

    private static readonly Lazy<Dictionary<string, Type>> Types = new(() => typeof(V1Pod).Assembly.GetTypes()
        .Select(type => (Type: type, Entity: type.GetCustomAttribute<KubernetesEntityAttribute>()))
        .Where(known => known.Entity is not null && !known.Type.Name.EndsWith("List", StringComparison.Ordinal))
        .GroupBy(known => $"{$"{known.Entity!.Group}/{known.Entity.ApiVersion}".TrimStart('/')} {known.Entity.Kind}")
        .ToDictionary(same => same.Key, same => same.First().Type));

    /// <summary>Components and overlays that left their name on the namespace.</summary>
    public IReadOnlySet<string> Parts { get; } = Manifests.Where(manifest => manifest.Kind == "Namespace")
        .SelectMany(manifest => manifest.Metadata.Annotations?.Keys ?? [])
        .Where(key => key.StartsWith(Components, StringComparison.Ordinal)).Select(key => key[Components.Length..]).ToHashSet();

    public IReadOnlyList<PodTemplate> Pods { get; } = [.. Manifests.Select(manifest => PodsOf(manifest.Value)).OfType<PodTemplate>()];

    /// <summary>All objects of a type.</summary>
    public IEnumerable<T> All<T>() => Manifests.Select(manifest => manifest.Value).OfType<T>();

    /// <summary>True when the object exists.</summary>
    public bool Has(string kind, string name) => Manifests.Any(manifest => manifest.Kind == kind && manifest.Metadata.Name == name);

    /// <summary>Reads YAML documents. A field that a kind does not have is an error.</summary>
    /// <exception cref="FormatException">A document is not what its kind allows.</exception>
    public static ManifestSet Parse(string documents) =>
        new([.. Separator().Split(documents).Where(document => document.Trim().Length > 0).Select(ParseOne)]);

    private static Manifest ParseOne(string yaml)
    {
        var (version, kind) = (ApiVersion().Match(yaml).Groups[1].Value, Kind().Match(yaml).Groups[1].Value);
        var metadata = KubernetesYaml.Deserialize<OnlyMetadata>(yaml).Metadata;
        if (Types.Value.TryGetValue($"{version} {kind}", out var type))
            return new Manifest(kind, metadata, Read(type, yaml, $"{kind} {metadata.Name}"), yaml);
        return OtherGroups.Contains(version.Split('/')[0])
            ? new Manifest(kind, metadata, null, yaml)
            : throw new FormatException($"{kind} {metadata.Name}: there is no kind {kind} in {version}");
    }

    private static object Read(Type type, string yaml, string name)
    {
        try
        {
            return StrictRead.MakeGenericMethod(type).Invoke(null, [yaml])!;
        }
        catch (TargetInvocationException wrong)
        {
            throw new FormatException($"{name}: {wrong.InnerException!.Message}", wrong.InnerException);
        }
    }

    private static readonly MethodInfo StrictRead = ((Func<string, V1Pod>)ReadStrictly<V1Pod>).Method.GetGenericMethodDefinition();

    private static T ReadStrictly<T>(string yaml) => KubernetesYaml.Deserialize<T>(yaml, strict: true);

    private static PodTemplate? PodsOf(object? workload) => workload switch
    {
        V1Deployment d => new($"Deployment {d.Metadata.Name}", d.Spec.Replicas ?? 1, d.Spec.Template),
        V1StatefulSet s => new($"StatefulSet {s.Metadata.Name}", s.Spec.Replicas ?? 1, s.Spec.Template),
        V1DaemonSet d => new($"DaemonSet {d.Metadata.Name}", 1, d.Spec.Template),
        V1CronJob c => new($"CronJob {c.Metadata.Name}", 1, c.Spec.JobTemplate.Spec.Template),
        _ => null,
    };

    private sealed record OnlyMetadata
    {
        public V1ObjectMeta Metadata { get; set; } = new();
    }

    [GeneratedRegex(@"^---\n", RegexOptions.Multiline)]
    private static partial Regex Separator();

    [GeneratedRegex(@"^apiVersion: (\S+)$", RegexOptions.Multiline)]
    private static partial Regex ApiVersion();

    [GeneratedRegex(@"^kind: (\S+)$", RegexOptions.Multiline)]
    private static partial Regex Kind();
}
