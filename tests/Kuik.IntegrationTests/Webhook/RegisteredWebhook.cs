using System.Text.Json;
using System.Text.Json.Nodes;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Webhook;

/// <summary>A Kubernetes API of its own, with the webhook registered as it is deployed.</summary>
public sealed class RegisteredWebhook : IAsyncLifetime
{
    private WebhookRegistration registration = null!;

    public KubernetesApi Kubernetes { get; private set; } = null!;

    public KuikService Webhook { get; private set; } = null!;

    /// <summary>Where pods are made.</summary>
    public string Namespace { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Kubernetes = await KubernetesApi.StartOwn();
        Namespace = await Kubernetes.NewNamespace();
        registration = await WebhookRegistration.Add(Kubernetes);
        Webhook = await Start([]);
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
        Port = registration.Port,
        Settings = registration.Settings.Concat(more).GroupBy(setting => setting.Key)
            .ToDictionary(same => same.Key, same => same.Last().Value),
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
