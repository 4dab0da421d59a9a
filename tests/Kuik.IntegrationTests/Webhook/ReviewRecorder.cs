using System.Collections.Concurrent;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Kuik.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Kuik.IntegrationTests.Webhook;

/// <summary>A webhook that keeps what a real kube-apiserver sends it about the pods of one namespace, and lets everything pass.</summary>
public sealed class ReviewRecorder : IAsyncLifetime
{
    private readonly ConcurrentQueue<JsonNode> _reviews = new();
    private KubernetesApi _kubernetes = null!;
    private WebApplication _webhook = null!;

    /// <summary>Where pods are made.</summary>
    public string Namespace { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        _kubernetes = await KubernetesApi.Shared();
        Namespace = await _kubernetes.NewNamespace();
        await _kubernetes.Kubectl("label", "namespace", Namespace, $"recorded={Namespace}");
        var authority = new CertificateAuthority("recorder");
        var pair = authority.Issue("CN=recorder", "127.0.0.1");
        var port = FreePort.Next();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration()
            .ConfigureKestrel(kestrel =>
                kestrel.ListenLocalhost(port, listen => listen.UseHttps(X509Certificate2.CreateFromPem(pair.Certificate, pair.Key))));
        _webhook = builder.Build();
        _webhook.MapPost("/", Keep);
        await _webhook.StartAsync();

        await _kubernetes.Apply($$$"""
            {
              "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": "recorder-{{{Namespace}}}"},
              "webhooks": [{
                "name": "recorder.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Ignore",
                "clientConfig": {"url": "https://127.0.0.1:{{{port}}}/", "caBundle": "{{{Convert.ToBase64String(Encoding.UTF8.GetBytes(authority.Pem))}}}"},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["pods"]}],
                "namespaceSelector": {"matchLabels": {"recorded": "{{{Namespace}}}"}}
              }]
            }
            """);
        await Eventually.True(
            async () =>
            {
                await Create("""{"apiVersion":"v1","kind":"Pod","metadata":{"name":"probe"},"spec":{"containers":[{"name":"web","image":"nginx:1"}]}}""", "--dry-run=server");
                return !_reviews.IsEmpty;
            },
            "the API server asks the recorder");
    }

    public async ValueTask DisposeAsync()
    {
        await _kubernetes.Kubectl("delete", "mutatingwebhookconfiguration", $"recorder-{Namespace}");
        await _webhook.DisposeAsync();
    }

    /// <summary>Makes a pod.</summary>
    /// <returns>The AdmissionReview about it.</returns>
    /// <exception cref="ServerFailedException">The API server refused it.</exception>
    public async Task<JsonNode> Post(string pod, params string[] asWhom)
    {
        _reviews.Clear();
        await Create(pod, asWhom);
        return Assert.Single(_reviews);
    }

    private async Task Create(string pod, params string[] arguments)
    {
        var result = await _kubernetes.TryKubectl(["create", "-n", Namespace, "-f", "-", .. arguments], pod);
        if (result.ExitCode != 0)
            throw new ServerFailedException(result.Errors);
    }

    private async Task Keep(HttpContext http)
    {
        var review = (await JsonNode.ParseAsync(http.Request.Body))!;
        _reviews.Enqueue(review);
        var answer = new JsonObject
        {
            ["apiVersion"] = "admission.k8s.io/v1",
            ["kind"] = "AdmissionReview",
            ["response"] = new JsonObject { ["uid"] = (string?)review["request"]!["uid"], ["allowed"] = true },
        };
        http.Response.ContentType = "application/json";
        await http.Response.WriteAsync(answer.ToJsonString());
    }
}
