using System.Globalization;
using Kuik.Kubernetes;

namespace Kuik.CommandLine.Doctor;

/// <summary>The state of a cluster at one moment, as far as the checks need it. Each part has its own error.</summary>
internal sealed record ClusterSnapshot
{
    private const int UsualPort = 7439;

    /// <summary>When it was read, UTC.</summary>
    public required DateTimeOffset Time { get; init; }

    /// <summary>Kuik's namespace, <c>kuik-system</c> by default.</summary>
    public required string Namespace { get; init; }

    /// <summary>All namespaces.</summary>
    public required Reading<IReadOnlyList<Namespace>> Namespaces { get; init; }

    /// <summary>All nodes.</summary>
    public required Reading<IReadOnlyList<Node>> Nodes { get; init; }

    /// <summary>Pods of Kuik's namespace.</summary>
    public required Reading<IReadOnlyList<Pod>> Pods { get; init; }

    /// <summary>Pods of the cluster that Kuik has rewritten and that are not running yet; 500 at most.</summary>
    public required Reading<IReadOnlyList<Pod>> PendingPods { get; init; }

    /// <summary>Deployments, StatefulSets and DaemonSets of Kuik's namespace.</summary>
    public required Reading<IReadOnlyList<Workload>> Workloads { get; init; }

    /// <summary>Services of Kuik's namespace.</summary>
    public required Reading<IReadOnlyList<Service>> Services { get; init; }

    /// <summary>The content of the ConfigMap <c>kuik-settings-…</c>: names and values of environment variables.</summary>
    public required Reading<IReadOnlyDictionary<string, string>> Settings { get; init; }

    /// <summary>The content of the ConfigMap <c>kuik-node-proxy-endpoints</c>; null when it is not there.</summary>
    public required Reading<string?> Endpoints { get; init; }

    /// <summary>The MutatingWebhookConfiguration <c>kuik-webhook</c>; null when it is not there.</summary>
    public required Reading<WebhookConfiguration?> Webhook { get; init; }

    /// <summary>The webhook's certificate, followed by others, as PEM; null when the Secret <c>kuik-webhook-tls</c> is not there.</summary>
    public required Reading<string?> Certificate { get; init; }

    /// <summary>Keys of the Secret <c>kuik-credentials</c>, without their values; null when it is not there.</summary>
    public required Reading<IReadOnlyList<string>?> CredentialKeys { get; init; }

    /// <summary>Volume claims of Kuik's namespace.</summary>
    public required Reading<IReadOnlyList<VolumeClaim>> Claims { get; init; }

    /// <summary>All storage classes.</summary>
    public required Reading<IReadOnlyList<StorageClass>> StorageClasses { get; init; }

    /// <summary>Warnings that pods could not be created (<c>FailedCreate</c>) or started (<c>Failed</c>); 500 of each at most.</summary>
    public required Reading<IReadOnlyList<Event>> Events { get; init; }

    /// <summary>All CachedImages.</summary>
    public required Reading<IReadOnlyList<CachedImage>> Images { get; init; }

    /// <summary>The last lines of the logs of the registry's writing container.</summary>
    public required Reading<string> RegistryLog { get; init; }

    /// <summary>The answers of each running pod of Kuik's services.</summary>
    public required IReadOnlyList<ServiceAnswers> Answers { get; init; }

    /// <summary>The API server's answers to dry runs of two pods.</summary>
    public required Reading<Admission> Admission { get; init; }

    /// <summary>Rules of policy engines about the names of images.</summary>
    public required Reading<IReadOnlyList<ImageRule>> ImageRules { get; init; }

    /// <summary>The port that rewritten pods pull from.</summary>
    public int ProxyPort => Settings.Problem is null && int.TryParse(
        Settings.Value.GetValueOrDefault("Kuik__Proxy__Port"), NumberStyles.None, CultureInfo.InvariantCulture, out var port) ? port
            : UsualPort;

    /// <summary>Beginning of the image of a rewritten container.</summary>
    public string ProxyPrefix => $"localhost:{ProxyPort}/";

    /// <summary>Namespaces whose pods are sent to the webhook; null when that could not be read.</summary>
    public IReadOnlyList<string>? SelectedNamespaces => Webhook.Problem is null && Namespaces.Problem is null
        ? SelectedOf(Webhook.Value, Namespaces.Value)
        : null;

    /// <summary>True for an installed component of deploy/kustomize, by the annotations of its namespace.</summary>
    public bool HasComponent(string name) => Namespaces.Problem is null && Namespaces.Value.Any(space =>
        space.Metadata.Name == Namespace && space.Metadata.Annotations?.ContainsKey("components.kuik.enix.io/" + name) == true);

    /// <summary>Namespaces whose pods a webhook configuration selects, <c>default</c> first.</summary>
    internal static IReadOnlyList<string> SelectedOf(WebhookConfiguration? configuration, IReadOnlyList<Namespace> namespaces) =>
    [
        .. namespaces.Where(space =>
            configuration?.Webhooks?.Any(hook => hook.NamespaceSelector?.Matches(space.Metadata.Labels) != false) == true)
            .Select(space => space.Metadata.Name!).OrderBy(name => name != "default").ThenBy(name => name, StringComparer.Ordinal),
    ];
}
