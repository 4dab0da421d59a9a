using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Kuik.IntegrationTests.NodeProxy;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Flow;

/// <summary>The data plane stands alone: it starts and serves while everything else of Kuik, and the cluster, refuses
/// connections.</summary>
public sealed class DataPlaneAloneTests
{
    [Fact]
    public async Task The_webhook_rewrites_with_every_other_server_refusing()
    {
        var webhook = await KuikService.Start("Webhook", new KuikServiceOptions { Settings = Nowhere() });
        using var http = new HttpClient { BaseAddress = webhook.Endpoint };

        using var answer = await http.PostAsJsonAsync("/mutate-core-v1-pod", JsonNode.Parse("""
            {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"CREATE","kind":{"group":"","version":"v1","kind":"Pod"},
             "resource":{"group":"","version":"v1","resource":"pods"},"namespace":"apps",
             "object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"containers":[{"name":"web","image":"nginx:1"}]}}}}
            """));

        var response = (await answer.Content.ReadFromJsonAsync<JsonObject>())!["response"]!;
        Assert.True((bool)response["allowed"]!);
        Assert.NotNull(response["patch"]);
    }

    [Fact]
    public async Task Node_proxy_is_ready_and_reports_that_no_source_answered()
    {
        var origin = StartNodeProxy.ClosedPort();
        var settings = Nowhere();
        settings["Kuik:InsecureRegistries:0"] = origin.AbsoluteUri;
        var proxy = await KuikService.Start("NodeProxy", new KuikServiceOptions { Settings = settings });
        using var http = new HttpClient { BaseAddress = proxy.Endpoint };

        using var version = await http.GetAsync("/v2/");
        using var pull = await http.GetAsync($"/v2/{origin.Authority.Replace(':', '_')}/a/manifests/1");

        Assert.Equal(HttpStatusCode.OK, version.StatusCode);
        Assert.Equal(HttpStatusCode.BadGateway, pull.StatusCode);
        Assert.Contains("UNAVAILABLE", await pull.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Node_proxy_pulls_a_public_image_with_every_other_server_refusing()
    {
        var origin = await Registry.Start();
        var image = TestImage.Small(seed: 1900);
        await origin.Push("a/b", "1", image);
        var settings = Nowhere();
        settings["Kuik:InsecureRegistries:0"] = origin.Endpoint.AbsoluteUri;
        var proxy = await KuikService.Start("NodeProxy", new KuikServiceOptions { Settings = settings });

        Assert.Equal(image.Bytes, await Skopeo.InspectRaw(proxy.Local(StoreInCache.PathOf(origin, "a/b"), "1")));
        await Skopeo.Pull(proxy.Local(StoreInCache.PathOf(origin, "a/b"), "1"));
    }

    private static Dictionary<string, string?> Nowhere()
    {
        var closed = StartNodeProxy.ClosedPort();
        return new Dictionary<string, string?>
        {
            ["Kuik:Cache:ReadEndpoint"] = closed.AbsoluteUri,
            ["Kuik:Cache:Endpoint"] = closed.AbsoluteUri,
            ["Kuik:Fetcher:Endpoint"] = closed.AbsoluteUri,
            ["ConnectionStrings:Postgres"] = $"Host=127.0.0.1;Port={closed.Port};Database=kuik;Username=kuik",
            ["ConnectionStrings:RabbitMq"] = $"amqp://127.0.0.1:{closed.Port}/kuik",
            ["KUBERNETES_SERVICE_HOST"] = "127.0.0.1",
            ["KUBERNETES_SERVICE_PORT"] = $"{closed.Port}",
            ["KUBECONFIG"] = "/nowhere",
        };
    }
}
