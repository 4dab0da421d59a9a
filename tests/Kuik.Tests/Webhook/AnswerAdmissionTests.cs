using System.Collections.Concurrent;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Kuik.Webhook;
using Xunit;

namespace Kuik.Tests.Webhook;

/// <summary>The webhook's responses to a Kubernetes API, over a real socket.</summary>
public sealed class AnswerAdmissionTests : IAsyncLifetime
{
    private readonly WebhookInProcess _webhook = new();

    private ConcurrentQueue<string> Log => _webhook.Log;

    private ConcurrentQueue<string> Counted => _webhook.Counted;

    private HttpClient Http => _webhook.Http;

    public ValueTask InitializeAsync() => _webhook.Start();

    public ValueTask DisposeAsync() => _webhook.DisposeAsync();

    [Fact]
    public async Task A_review_is_answered_with_its_uid_and_a_patch_and_one_line_in_theLog()
    {
        var review = Golden("v1-table-2-a-new-pod");

        var (status, answer) = await Post(review.ToJsonString());

        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal("admission.k8s.io/v1", (string?)answer!["apiVersion"]);
        Assert.Equal("AdmissionReview", (string?)answer["kind"]);
        Assert.Equal((string?)review["request"]!["uid"], (string?)answer["response"]!["uid"]);
        Assert.True((bool)answer["response"]!["allowed"]!);
        Assert.Equal("JSONPatch", (string?)answer["response"]!["patchType"]);
        var patched = JsonPatch.Apply(review["request"]!["object"]!, Patch(answer));
        Assert.Equal("localhost:7439/185.145.250.247_30042/alpine", (string?)patched["spec"]!["containers"]![2]!["image"]);
        var line = Assert.Single(Log, line => line.Contains("CREATE", StringComparison.Ordinal));
        Assert.StartsWith("CREATE shop/web-0: 4 of 7 images rewritten; c: localhost:1313 is a registry of the node itself; ", line,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_review_without_anything_to_do_is_answered_without_a_patch()
    {
        var (status, answer) = await Post(Golden("a-mirror-pod-is-left-alone").ToJsonString());

        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal(["uid", "allowed"], answer!["response"]!.AsObject().Select(member => member.Key));
        Assert.Contains(Log,
            line => line.EndsWith("etcd-node1: 0 of 1 images rewritten; left alone: a mirror pod: the kubelet runs it from a file",
                StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("", "the body is not JSON")]
    [InlineData("xx", "the body is not JSON")]
    [InlineData("{", "the body is not JSON")]
    [InlineData("[]", "the body is no AdmissionReview")]
    [InlineData("null", "the body is no AdmissionReview")]
    [InlineData("{}", "the body is no AdmissionReview")]
    [InlineData("""{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}""", "a request and its uid")]
    [InlineData("""{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":""}}""", "a request and its uid")]
    [InlineData("""{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":7}}""", "a request and its uid")]
    [InlineData("""{"kind":"Pod","apiVersion":"v1","request":{"uid":"7"}}""", "the body is no AdmissionReview")]
    public async Task A_body_that_cannot_be_answered_is_refused_with_a_sentence(string body, string sentence)
    {
        using var response = await Http.PostAsync("/mutate-core-v1-pod", new StringContent(body));

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains(sentence, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken),
            StringComparison.Ordinal);
        Assert.Single(Log, line => line.Contains(sentence, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("""{"uid":"7"}""")]
    [InlineData("""{"uid":"7","operation":5,"object":[]}""")]
    [InlineData("""{"uid":"7","operation":"CREATE","object":{"metadata":{"name":"\ud800","labels":{"\udc00":"x"}},"spec":{"containers":[{"name":"a\ud800","image":"\ud800"}]}}}""")]
    [InlineData("""{"uid":"7","operation":"CREATE","object":{"metadata":{"annotations":{"\udc00":"x"}},"spec":{"containers":[{"name":"a","image":"nginx:1"}]}}}""")]
    [InlineData("""{"uid":"7","operation":"UPDATE","subResource":"ephemeralcontainers","object":{"spec":{"ephemeralContainers":[{}]}},"oldObject":"x"}""")]
    public async Task A_request_that_is_in_doubt_is_allowed(string request)
    {
        var (status, answer) = await Post($$"""{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{request}}}""");

        Assert.Equal(HttpStatusCode.OK, status);
        Assert.True((bool)answer!["response"]!["allowed"]!);
        Assert.Equal("7", (string?)answer["response"]!["uid"]);
    }

    [Fact]
    public async Task Another_version_of_the_review_is_allowed_unchanged_in_that_version()
    {
        var (_, answer) = await Post(
            """{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1","request":{"uid":"7","operation":"CREATE","object":{"metadata":{},"spec":{}}}}""");

        Assert.Equal("""{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","response":{"uid":"7","allowed":true}}""",
            answer!.ToJsonString());
    }

    [Fact]
    public async Task A_review_with_anything_in_any_place_is_answered_and_never_refused()
    {
        var random = new Random(20260203);
        var golden = Directory.GetDirectories(Path.Combine(AppContext.BaseDirectory, "Webhook", "golden"))
            .Select(folder => Golden(Path.GetFileName(folder))).ToList();
        for (var i = 0; i < 500; i++)
        {
            var review = golden[random.Next(golden.Count)].DeepClone();
            ReplaceSomething(review["request"]!["object"]!, random);

            var (status, answer) = await Post(review.ToJsonString());

            Assert.True(status == HttpStatusCode.OK && (bool)answer!["response"]!["allowed"]!, $"{status} for {review.ToJsonString()}");
        }
        Assert.DoesNotContain(Log, line => line.Contains("could not be decided about", StringComparison.Ordinal));
    }

    [Fact]
    public async Task No_json_whatever_ends_in_an_error_of_ours()
    {
        for (var seed = 0; seed < 150; seed++)
        {
            var (pod, old) = (new RandomPod(seed).Write(), new RandomPod(-seed - 1).Write());
            string[] bodies =
            [
                Review(""" "uid":"7","operation":"UPDATE","object": """ + pod + ""","oldObject": """ + old),
                Review(""" "\ud800":1,"uid":"7","operation":"CREATE","name": """ + old + ""","object": """
                    + pod.Replace("é", "\\udc00", StringComparison.Ordinal)),
                """{"\udc00":0,"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request": """ + pod + "}",
                pod,
            ];
            foreach (var body in bodies)
            {
                using var answer = await Http.PostAsync("/mutate-core-v1-pod", new StringContent(body));
                using var explained = await Http.PostAsync("/mutate-core-v1-pod?explain", new StringContent(body));
                Assert.True(answer.StatusCode is HttpStatusCode.OK or HttpStatusCode.BadRequest
                    && explained.StatusCode is HttpStatusCode.OK or HttpStatusCode.BadRequest,
                    $"{answer.StatusCode}, {explained.StatusCode} for {body}");
            }
        }
        Assert.DoesNotContain(Log, line => line.Contains("could not be decided about", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_body_that_is_too_large_or_nested_too_deeply_is_refused()
    {
        using var tooLarge = new HttpRequestMessage(HttpMethod.Post, "/mutate-core-v1-pod")
        { Content = new ByteArrayContent(new byte[ReviewLimits.LargestBody + 1]) };
        tooLarge.Headers.ExpectContinue = true;   // the answer comes before the body is sent, instead of a reset while it is
        using var large = await Http.SendAsync(tooLarge, TestContext.Current.CancellationToken);
        using var deep = await Http.PostAsync("/mutate-core-v1-pod", new StringContent(new string('[', 100_000)));

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, large.StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, deep.StatusCode);
    }

    [Fact]
    public async Task Containers_areCounted_by_what_became_of_them()
    {
        await Post(Golden("pull-policies").ToJsonString());

        Assert.Equal(["pull-policy-always", "pull-policy-always", "pull-policy-always", "pull-policy-always", "pull-policy-never",
            "rewritten", "rewritten"], Counted.Order());
        Assert.Contains("kuik_webhook_containers_total{", await Http.GetStringAsync("/metrics", TestContext.Current.CancellationToken),
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"os":{"name":"windows"},"containers":[{"name":"web","image":"nginx:1"}]}""", "pod-not-served",
        "left alone: os windows: no node-proxy serves it")]
    [InlineData("""{"priority":2000000000,"containers":[{"name":"web","image":"nginx:1"}]}""", "pod-critical",
        "left alone: priority 2000000000: a critical pod must not need Kuik")]
    public async Task A_pod_left_alone_is_counted_and_logged_with_its_reason(string spec, string outcome, string reason)
    {
        await Post(Review(""" "uid":"7","operation":"CREATE","namespace":"shop","object":{"metadata":{"name":"web"},"spec": """ + spec
            + "}"));

        Assert.Equal(outcome, Assert.Single(Counted));
        Assert.Single(Log, line => line == $"CREATE shop/web: 0 of 1 images rewritten; {reason}");
    }

    [Fact]
    public async Task A_dry_run_is_answered_and_leaves_no_trace()
    {
        var (status, answer) = await Post(Golden("a-dry-run-is-answered-the-same").ToJsonString());

        Assert.Equal(HttpStatusCode.OK, status);
        Assert.NotEmpty(Patch(answer!));
        Assert.Empty(Counted);
        Assert.DoesNotContain(Log, line => line.Contains("CREATE", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_log_entry_about_a_pod_fits_in_a_line()
    {
        var containers = new JsonArray(
            [.. Enumerable.Range(0, 5000)
                .Select(i => new JsonObject { ["name"] = $"evil\n{i}\u001b[31m", ["image"] = "A" + new string('b', 500) })]);
        var review = new JsonObject
        {
            ["kind"] = "AdmissionReview",
            ["apiVersion"] = "admission.k8s.io/v1",
            ["request"] = new JsonObject
            {
                ["uid"] = "7",
                ["operation"] = "CREATE",
                ["namespace"] = "shop",
                ["object"] = new JsonObject
                {
                    ["metadata"] = new JsonObject { ["generateName"] = "web-" },
                    ["spec"] = new JsonObject { ["containers"] = containers }
                }
            },
        };

        await Post(review.ToJsonString());

        var line = Assert.Single(Log, line => line.Contains("CREATE", StringComparison.Ordinal));
        Assert.InRange(line.Length, 1000, 1200);
        Assert.StartsWith("CREATE shop/web-*: 0 of 5000 images rewritten; evil 0 [31m: ", line, StringComparison.Ordinal);
        Assert.DoesNotContain(line, char.IsControl);
    }

    [Fact]
    public async Task Health_is_answered()
    {
        foreach (var path in new[] { "/healthz", "/readyz" })
        {
            using var response = await Http.GetAsync(path, TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }
    }

    private static string Review(string request) =>
        """{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{ """ + request + "}}";

    private static void ReplaceSomething(JsonNode pod, Random random)
    {
        var places = new List<JsonNode>();
        Collect(pod, places);
        places[random.Next(places.Count)].ReplaceWith(random.Next(8) switch
        {
            0 => null,
            1 => JsonValue.Create(random.Next()),
            2 => JsonValue.Create("localhost:7439/" + random.Next()),
            3 => new JsonArray(1, null, new JsonObject()),
            4 => JsonValue.Create(true),
            5 => JsonValue.Create(""),
            6 => JsonValue.Create(new string('a', 300)),
            _ => (JsonNode)new JsonObject { ["image"] = "nginx", ["name"] = null, ["labels"] = 5 },
        });
    }

    private static void Collect(JsonNode node, List<JsonNode> places)
    {
        IEnumerable<JsonNode?> children =
            node switch { JsonObject map => map.Select(member => member.Value), JsonArray list => list, _ => [] };
        foreach (var child in children.OfType<JsonNode>())
        {
            places.Add(child);
            Collect(child, places);
        }
    }

    private static JsonNode Golden(string name) =>
        JsonNode.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Webhook", "golden", name, "review.json")))!;

    private static JsonArray Patch(JsonNode answer) =>
        JsonNode.Parse(Encoding.UTF8.GetString(Convert.FromBase64String((string)answer["response"]!["patch"]!)))!.AsArray();

    private async Task<(HttpStatusCode Status, JsonNode? Answer)> Post(string body)
    {
        using var response =
            await Http.PostAsync("/mutate-core-v1-pod?timeout=2s", new StringContent(body, Encoding.UTF8, "application/json"));
        return (response.StatusCode, response.IsSuccessStatusCode ? JsonNode.Parse(await response.Content.ReadAsStringAsync()) : null);
    }
}
