using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Webhook;

/// <summary>A Kubernetes API of its own, with the webhook registered as it is deployed: only found by an address, where a cluster has a
/// Service.</summary>
public sealed class RegisteredWebhook : IAsyncLifetime
{
    private Dictionary<string, string?> settings = [];
    private int port;

    public KubernetesApi Kubernetes { get; private set; } = null!;

    public KuikService Webhook { get; private set; } = null!;

    /// <summary>Where pods are made.</summary>
    public string Namespace { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Kubernetes = await KubernetesApi.StartOwn();
        Namespace = await Kubernetes.NewNamespace();
        var authority = new CertificateAuthority("kuik-webhook");
        var (certificate, key) = authority.Issue("CN=kuik-webhook", "127.0.0.1")
            .WriteTo(Sandbox.Shared.NewFolder("webhook-certificate"), "webhook");
        var (http, https) = (FreePort.Next(), FreePort.Next());
        port = http;
        settings = new()
        {
            ["ASPNETCORE_URLS"] = $"http://127.0.0.1:{http};https://127.0.0.1:{https}",
            ["Kestrel:Certificates:Default:Path"] = certificate,
            ["Kestrel:Certificates:Default:KeyPath"] = key,
            ["Kuik:Webhook:ShutdownDelay"] = "0",
        };
        Webhook = await Start([]);

        var manifest = Path.Combine(Checkout.Root, "deploy/kustomize/base/webhook/mutatingwebhookconfiguration.yaml");
        var configuration = JsonNode.Parse(await Kubernetes.Kubectl("create", "--dry-run=client", "-o", "json", "-f", manifest))!;
        configuration["webhooks"]![0]!["clientConfig"] = new JsonObject
        {
            ["url"] = $"https://127.0.0.1:{https}/mutate-core-v1-pod",
            ["caBundle"] = Convert.ToBase64String(Encoding.UTF8.GetBytes(authority.Pem)),
        };
        await Kubernetes.Apply(configuration.ToJsonString());
        await UntilAsked();
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>Runs it with further settings for a while.</summary>
    public async Task WithSettings(Dictionary<string, string?> more, Func<Task> meanwhile)
    {
        var usual = Webhook;
        usual.Kill();
        Webhook = await Start(more);
        try
        {
            await UntilAsked();
            await meanwhile();
        }
        finally
        {
            Webhook.Kill();
            Webhook = usual;
            await Webhook.Restart();
            await UntilAsked();
        }
    }

    private Task<KuikService> Start(Dictionary<string, string?> more) => KuikService.Start("Webhook", new KuikServiceOptions
    {
        Port = port,
        Settings = settings.Concat(more).GroupBy(setting => setting.Key).ToDictionary(same => same.Key, same => same.Last().Value),
    });

    /// <summary>Waits until the API server asks the webhook: it reads registrations in the background, and backs off from one that was
    /// away.</summary>
    public Task UntilAsked() => Eventually.True(
        async () => (string?)(await Create(Pod("probe", "nginx:1"), "--dry-run=server"))["spec"]!["containers"]![0]!["image"]
            == "localhost:7439/nginx:1",
        "the API server asks the webhook about new pods");

    /// <summary>Creates an object and returns it as the API server has it.</summary>
    public async Task<JsonNode> Create(JsonNode manifest, params string[] arguments)
    {
        var result = await Kubernetes.TryKubectl(["create", "-o", "json", "-f", "-", .. arguments], manifest.ToJsonString());
        return result.ExitCode == 0 ? JsonNode.Parse(result.Output)! : throw new ServerFailedException(result.Errors);
    }

    public async Task<JsonNode> Get(string name) =>
        JsonNode.Parse(await Kubernetes.Kubectl("get", "pod", name, "-n", Namespace, "-o", "json"))!;

    /// <summary>A pod with one container, <c>web</c>.</summary>
    public JsonNode Pod(string name, string image, string? space = null) => JsonSerializer.SerializeToNode(new
    {
        apiVersion = "v1",
        kind = "Pod",
        metadata = new { name, @namespace = space ?? Namespace },
        spec = new { containers = new[] { new { name = "web", image } } },
    })!;
}
