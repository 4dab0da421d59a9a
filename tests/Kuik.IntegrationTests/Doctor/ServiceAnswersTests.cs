using k8s;
using Kuik.CommandLine.Doctor;
using Kuik.CommandLine.Doctor.Checks;
using Kuik.IntegrationTests.PodWatcher;
using Kuik.Kubernetes;
using Kuik.Testing;
using Xunit;
using KubernetesApi = Kuik.Kubernetes.KubernetesApi;

namespace Kuik.IntegrationTests.Doctor;

/// <summary>
/// Doctor's readings of a real service. In place of the API server's proxy, which does not lead to loopback
/// addresses, the path is changed here.
/// </summary>
[Collection(nameof(Cluster))]
public sealed class ServiceAnswersTests(Cluster cluster)
{
    [Fact]
    public async Task A_service_that_is_not_ready_says_what_it_lacks()
    {
        await using var watchers = await Watchers.In(cluster);
        var nowhere = $"Host=127.0.0.1;Port={FreePort.Next()};Username=kuik;Password=s3cret;Database=kuik";
        var service = await watchers.Start("healthz", ("ConnectionStrings:Postgres", nowhere));

        var answers = await Read(service);

        var line = Assert.Single(ReadinessLine.UnwellOf(answers), line => line.StartsWith("postgres: Unhealthy", StringComparison.Ordinal));
        Assert.DoesNotContain("s3cret", line, StringComparison.Ordinal);
    }

    private static Task<ServiceAnswers> Read(KuikService service)
    {
        var client = new k8s.Kubernetes(new KubernetesClientConfiguration { Host = "http://127.0.0.1:1" }, new PodProxy(service.Health));
        var labels = new Dictionary<string, string> { ["app.kubernetes.io/component"] = "pod-watcher" };
        var pod = new Pod(new ObjectMeta { Name = "watcher", Labels = labels }, Status: new PodStatus("Running"));
        return new ServiceReader(new KubernetesApi(client), "kuik-system").Read(pod, TestContext.Current.CancellationToken);
    }

    private sealed class PodProxy(Uri pod) : DelegatingHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            const string proxy = "/api/v1/namespaces/kuik-system/pods/http:watcher:8080/proxy/";
            Assert.StartsWith(proxy, request.RequestUri!.AbsolutePath, StringComparison.Ordinal);
            request.RequestUri = new Uri(pod, request.RequestUri.AbsolutePath[proxy.Length..]);
            return base.SendAsync(request, cancellationToken);
        }
    }
}
