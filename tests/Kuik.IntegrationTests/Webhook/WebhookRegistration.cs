using System.Text;
using System.Text.Json.Nodes;
using Kuik.Testing;

namespace Kuik.IntegrationTests.Webhook;

/// <summary>The webhook's registration in a kube-apiserver, as it is deployed: only found by an address, where a cluster has a
/// Service.</summary>
/// <param name="Port">Of the webhook, for its health and for plain HTTP.</param>
/// <param name="Settings">Of the webhook.</param>
internal sealed record WebhookRegistration(int Port, IReadOnlyDictionary<string, string?> Settings)
{
    /// <summary>Registers a webhook that is still to be started.</summary>
    public static async Task<WebhookRegistration> Add(KubernetesApi kubernetes)
    {
        var authority = new CertificateAuthority("kuik-webhook");
        var (certificate, key) = authority.Issue("CN=kuik-webhook", "127.0.0.1")
            .WriteTo(Sandbox.Shared.NewFolder("webhook-certificate"), "webhook");
        var (http, https) = (FreePort.Next(), FreePort.Next());
        var manifest = Path.Combine(Checkout.Root, "deploy/kustomize/base/webhook/mutatingwebhookconfiguration.yaml");
        var configuration = JsonNode.Parse(await kubernetes.Kubectl("create", "--dry-run=client", "-o", "json", "-f", manifest))!;
        configuration["webhooks"]![0]!["clientConfig"] = new JsonObject
        {
            ["url"] = $"https://127.0.0.1:{https}/mutate-core-v1-pod",
            ["caBundle"] = Convert.ToBase64String(Encoding.UTF8.GetBytes(authority.Pem)),
        };
        await kubernetes.Apply(configuration.ToJsonString());
        return new WebhookRegistration(http, new Dictionary<string, string?>
        {
            ["ASPNETCORE_URLS"] = $"http://127.0.0.1:{http};https://127.0.0.1:{https}",
            ["Kestrel:Certificates:Default:Path"] = certificate,
            ["Kestrel:Certificates:Default:KeyPath"] = key,
            ["Kuik:Webhook:ShutdownDelay"] = "0",
        });
    }
}
