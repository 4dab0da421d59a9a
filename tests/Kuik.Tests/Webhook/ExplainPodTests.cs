using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Xunit;

namespace Kuik.Tests.Webhook;

/// <summary>The webhook's explanations for users.</summary>
public sealed class ExplainPodTests : IAsyncLifetime
{
    private readonly WebhookInProcess _webhook = new();

    public ValueTask InitializeAsync() => _webhook.Start();

    public ValueTask DisposeAsync() => _webhook.DisposeAsync();

    [Fact]
    public async Task A_pod_is_answered_with_what_would_become_of_each_image_or_why_not()
    {
        var (status, answer) = await Explain("""
            {
              "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
              "spec": {
                "initContainers": [{"name": "migrate", "image": "reg.io:5000/team/app:2"}],
                "containers": [{"name": "web", "image": "nginx:1.27"}, {"name": "latest", "image": "nginx"}, {"name": "own", "image": "localhost:5000/<own>"}]
              }
            }
            """);

        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal("""
            {
              "containers": [
                {
                  "name": "web",
                  "in": "containers",
                  "image": "nginx:1.27",
                  "becomes": "localhost:7439/nginx:1.27"
                },
                {
                  "name": "latest",
                  "in": "containers",
                  "image": "nginx",
                  "stays": "pull policy Always"
                },
                {
                  "name": "own",
                  "in": "containers",
                  "image": "localhost:5000/<own>",
                  "stays": "localhost:5000 is a registry of the node itself"
                },
                {
                  "name": "migrate",
                  "in": "initContainers",
                  "image": "reg.io:5000/team/app:2",
                  "becomes": "localhost:7439/reg.io_5000/team/app:2"
                }
              ]
            }
            """, answer);
    }

    [Fact]
    public async Task A_pod_that_is_left_alone_as_a_whole_is_answered_with_the_reason()
    {
        var (_, answer) = await Explain("""
            {"kind": "Pod", "metadata": {"labels": {"kube-image-keeper.enix.io/image-caching-policy": "ignore"}}, "spec": {"containers": [{"name": "web", "image": "nginx:1"}]}}
            """);

        Assert.Equal("label kube-image-keeper.enix.io/image-caching-policy=ignore", (string?)JsonNode.Parse(answer)!["leftAlone"]);
        Assert.Equal("label kube-image-keeper.enix.io/image-caching-policy=ignore",
            (string?)JsonNode.Parse(answer)!["containers"]![0]!["stays"]);
    }

    [Fact]
    public async Task An_image_volume_is_shown_beside_the_containers()
    {
        var (_, answer) = await Explain("""
            {"kind": "Pod", "metadata": {}, "spec": {"volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "model", "image": {"reference": "quay.io/models/llama:7b"}}]}}
            """);

        Assert.Equal(
            """[{"name":"model","in":"volumes","image":"quay.io/models/llama:7b","becomes":"localhost:7439/quay.io/models/llama:7b"}]""",
            JsonNode.Parse(answer)!["containers"]!.ToJsonString());
    }

    [Fact]
    public async Task A_pod_that_no_node_proxy_serves_is_answered_with_the_reason()
    {
        var (_, answer) = await Explain("""
            {"kind": "Pod", "metadata": {}, "spec": {"os": {"name": "windows"}, "containers": [{"name": "web", "image": "nginx:1"}]}}
            """);

        Assert.Equal("os windows: no node-proxy serves it", (string?)JsonNode.Parse(answer)!["leftAlone"]);
    }

    [Fact]
    public async Task A_review_is_explained_as_it_would_be_answered()
    {
        var (_, answer) = await Explain(
            File.ReadAllText(Path.Combine(AppContext.BaseDirectory,
                "Webhook/golden/v1-table-1-update-of-a-pod-that-is-not-marked/review.json")));

        Assert.All(JsonNode.Parse(answer)!["containers"]!.AsArray(), container => Assert.NotNull((string?)container!["stays"]));
        Assert.Contains("the request does not change its image", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_is_counted_or_logged()
    {
        await Explain("""{"kind": "Pod", "metadata": {}, "spec": {"containers": [{"name": "web", "image": "nginx:1.27"}]}}""");

        Assert.Empty(_webhook.Counted);
        Assert.DoesNotContain(_webhook.Log, line => line.Contains("images rewritten", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("""{"kind":"Deployment","spec":{}}""", "the body is neither a Pod nor an AdmissionReview")]
    [InlineData("[]", "the body is neither a Pod nor an AdmissionReview")]
    [InlineData("kind: Pod", "the body is not JSON")]
    public async Task What_is_no_pod_is_refused_with_a_sentence(string body, string sentence)
    {
        var (status, answer) = await Explain(body);

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains(sentence, answer, StringComparison.Ordinal);
    }

    private async Task<(HttpStatusCode Status, string Answer)> Explain(string body)
    {
        using var response =
            await _webhook.Http.PostAsync("/mutate-core-v1-pod?explain", new StringContent(body, Encoding.UTF8, "application/json"));
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }
}
