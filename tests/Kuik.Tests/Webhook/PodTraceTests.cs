using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using Kuik.Contracts;
using Xunit;

namespace Kuik.Tests.Webhook;

/// <summary>The annotation that carries the trace of an admission.</summary>
public sealed class PodTraceTests : IAsyncLifetime
{
    // Only reviews with this trace are sampled: other tests review pods in this process at the same time.
    private static readonly ActivityTraceId Ours = ActivityTraceId.CreateRandom();
    private static readonly string Caller = $"00-{Ours}-cccccccccccccccc-01";
    private static readonly string Path = "/metadata/annotations/" + Names.TraceAnnotation.Replace("/", "~1", StringComparison.Ordinal);

    private readonly WebhookInProcess _webhook = new();
    private readonly ConcurrentQueue<Activity> _spans = new();
    private ActivityListener? _listener;

    public ValueTask InitializeAsync() => _webhook.Start();

    public async ValueTask DisposeAsync()
    {
        _listener?.Dispose();
        await _webhook.DisposeAsync();
    }

    [Fact]
    public async Task A_created_pod_with_a_rewritten_image_carries_the_trace_of_its_review_which_is_the_API_servers_if_that_traces()
    {
        Listen();

        var patch = await Review("nginx:1.27", caller: Caller);

        var span = Assert.Single(_spans);
        Assert.Equal(span.Id, Trace(patch));
        Assert.Equal(("review", Ours), (span.OperationName, span.TraceId));
    }

    [Fact]
    public async Task A_pod_that_carries_a_trace_keeps_it_when_it_is_reviewed_again()
    {
        Listen();

        var patch = await Review("nginx:1.27", annotation: Caller);

        Assert.Equal(Ours, Assert.Single(_spans).TraceId);
        Assert.Null(Trace(patch));
    }

    [Fact]
    public async Task A_pod_of_which_no_image_is_rewritten_carries_none()
    {
        Listen();

        Assert.Null(Trace(await Review("localhost:5000/own:1", caller: Caller)));
    }

    [Fact]
    public async Task A_dry_run_is_not_traced()
    {
        Listen();

        Assert.Null(Trace(await Review("nginx:1.27", caller: Caller, isDryRun: true)));
        Assert.Empty(_spans);
    }

    [Fact]
    public async Task Without_an_exporter_a_pod_carries_none() => Assert.Null(Trace(await Review("nginx:1.27", caller: Caller)));

    private static string? Trace(JsonArray patch) => patch
        .Select(operation => (string)operation!["path"]! == Path ? (string?)operation["value"]
            : (string)operation["path"]! == "/metadata/annotations" ? (string?)operation["value"]![Names.TraceAnnotation]
            : null)
        .SingleOrDefault(value => value is not null);

    private async Task<JsonArray> Review(string image, string? annotation = null, string? caller = null, bool isDryRun = false)
    {
        var review = new JsonObject
        {
            ["apiVersion"] = "admission.k8s.io/v1",
            ["kind"] = "AdmissionReview",
            ["request"] = new JsonObject
            {
                ["uid"] = "u",
                ["operation"] = "CREATE",
                ["namespace"] = "apps",
                ["dryRun"] = isDryRun,
                ["object"] = new JsonObject
                {
                    ["metadata"] = new JsonObject
                    {
                        ["name"] = "web",
                        ["annotations"] = annotation is null ? null : new JsonObject { [Names.TraceAnnotation] = annotation },
                    },
                    ["spec"] = new JsonObject { ["containers"] = new JsonArray(new JsonObject { ["name"] = "main", ["image"] = image }) },
                },
            },
        };
        using var request = new HttpRequestMessage(HttpMethod.Post, "/mutate-core-v1-pod")
        { Content = new StringContent(review.ToJsonString(), Encoding.UTF8, "application/json") };
        if (caller is not null)
            request.Headers.Add("traceparent", caller);
        using var answer = await _webhook.Http.SendAsync(request, TestContext.Current.CancellationToken);
        var response = JsonNode.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!["response"]!;
        return response["patch"] is { } patch
            ? JsonNode.Parse(Convert.FromBase64String((string)patch!))!.AsArray()
            : [];
    }

    private void Listen()
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "Kuik.Webhook",
            Sample = (ref ActivityCreationOptions<ActivityContext> created) =>
                created.Parent.TraceId == Ours ? ActivitySamplingResult.AllDataAndRecorded : ActivitySamplingResult.None,
            ActivityStopped = _spans.Enqueue,
        };
        ActivitySource.AddActivityListener(_listener);
    }
}
