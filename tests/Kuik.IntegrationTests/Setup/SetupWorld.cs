using System.Text;
using System.Text.Json.Nodes;
using Kuik.IntegrationTests.PodWatcher;
using Kuik.Kubernetes;
using Kuik.PodWatcher.Setup;
using Kuik.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kuik.IntegrationTests.Setup;

/// <summary>A namespace before the first setup, on a real kube-apiserver, with the rights that deploy/kustomize gives pod-watcher and no
/// more.</summary>
internal sealed class SetupWorld : IAsyncDisposable
{
    private const string Claim = "data-kuik-postgres-0";

    private readonly Testing.KubernetesApi kubectl;

    private SetupWorld(Cluster cluster) => (kubectl, Kubeconfig) = (cluster.Api, cluster.Kubeconfig);

    public string Kubeconfig { get; }

    /// <summary>The installation's own Postgres is where nothing answers.</summary>
    public SetupOptions Options { get; } = new("kuik-system", OwnsCertificate: true, ExternalPostgres: null)
    {
        PostgresHost = $"127.0.0.1:{FreePort.Next()}",
    };

    public static async Task<SetupWorld> In(Cluster cluster)
    {
        var world = new SetupWorld(cluster);
        await world.Clear();
        return world;
    }

    public CredentialsReconciler Credentials(SetupOptions? options = null) =>
        new(new SecretClient(Api(), options ?? Options), Api(), options ?? Options, NullLogger<CredentialsReconciler>.Instance);

    public WebhookCertificateReconciler Certificates(TimeProvider time, SetupOptions? options = null) =>
        new(
            new SecretClient(Api(), options ?? Options), Api(), options ?? Options, time,
            NullLogger<WebhookCertificateReconciler>.Instance);

    /// <summary>All of setup but the migration.</summary>
    public ClusterSetup Setup(TimeProvider time) =>
        new(Credentials(), Certificates(time), Options, TimeProvider.System, NullLogger<ClusterSetup>.Instance);

    /// <summary>The webhook configuration as it is deployed.</summary>
    /// <param name="url">In place of the Service; null for the Service.</param>
    public async Task ApplyWebhook(string? url = null)
    {
        var file = Path.Combine(Checkout.Root, "deploy/kustomize/base/webhook/mutatingwebhookconfiguration.yaml");
        var configuration = JsonNode.Parse(await kubectl.Kubectl("create", "--dry-run=client", "-o", "json", "-f", file))!;
        if (url is not null)
            configuration["webhooks"]![0]!["clientConfig"] = new JsonObject { ["url"] = url };
        await kubectl.Apply(configuration.ToJsonString());
    }

    /// <summary>Data of a Secret, decoded; null when it is not there.</summary>
    public async Task<IReadOnlyDictionary<string, string>?> Secret(string name)
    {
        var text = await kubectl.Kubectl("get", "secret", name, "-n", "kuik-system", "--ignore-not-found", "-o", "json");
        return text.Trim().Length == 0
            ? null
            : JsonNode.Parse(text)!["data"]!.AsObject().ToDictionary(one => one.Key, one => Decode((string)one.Value!));
    }

    public Task DeleteSecret(string name) => kubectl.Kubectl("delete", "secret", name, "-n", "kuik-system");

    /// <summary>Changes the credentials Secret by a JSON patch.</summary>
    public Task PatchSecret(string patch) =>
        kubectl.Kubectl("patch", "secret", "kuik-credentials", "-n", "kuik-system", "--type=json", "-p", patch);

    /// <summary>caBundle of the webhook configuration as PEM; empty for none.</summary>
    public async Task<string> CaBundle()
    {
        const string field = "jsonpath={.webhooks[0].clientConfig.caBundle}";
        return Decode((await kubectl.Kubectl("get", "mutatingwebhookconfiguration", "kuik-webhook", "-o", field)).Trim());
    }

    /// <summary>The claim that the StatefulSet of Postgres makes.</summary>
    public Task CreateClaim() => kubectl.Apply("""
        {"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"data-kuik-postgres-0","namespace":"kuik-system"},
         "spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}
        """);

    /// <summary>Versions of everything that setup writes, so that a change of any shows.</summary>
    public Task<string> Versions() => kubectl.Kubectl(
        "get", "secret/kuik-credentials", "secret/kuik-webhook-ca", "secret/kuik-webhook-tls", "-n", "kuik-system",
        "-o", "jsonpath={.items[*].metadata.resourceVersion}");

    /// <summary>The image that a new pod gets, when the API server has asked the webhook about it.</summary>
    public async Task<string> ImageOfNewPod()
    {
        const string pod = """
            {"apiVersion":"v1","kind":"Pod","metadata":{"name":"probe","namespace":"apps"},
             "spec":{"containers":[{"name":"web","image":"nginx:1"}]}}
            """;
        var created = await kubectl.TryKubectl(
            ["create", "-o", "jsonpath={.spec.containers[0].image}", "--dry-run=server", "-f", "-"], pod);
        return created.Output.Trim();
    }

    public async ValueTask DisposeAsync() => await Clear();

    private static string Decode(string text) => Encoding.UTF8.GetString(Convert.FromBase64String(text));

    private Kuik.Kubernetes.KubernetesApi Api() => new(KubernetesAccess.Connect(Kubeconfig));

    private async Task Clear()
    {
        string[] secrets = ["kuik-credentials", "kuik-webhook-ca", "kuik-webhook-tls"];
        await kubectl.Kubectl(["delete", "secret", "-n", "kuik-system", "--ignore-not-found", .. secrets]);
        await kubectl.Kubectl("delete", "mutatingwebhookconfiguration", "--ignore-not-found", "kuik-webhook");
        // No controller runs here that would end its protection.
        const string unprotected = """{"metadata":{"finalizers":null}}""";
        await kubectl.TryKubectl(["patch", "pvc", Claim, "-n", "kuik-system", "--type=merge", "-p", unprotected]);
        await kubectl.Kubectl("delete", "pvc", "-n", "kuik-system", "--ignore-not-found", Claim);
    }
}
