using Kuik.Contracts;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Flow;

/// <summary>The spans that the services export over OTLP (decision 28).</summary>
[Collection(nameof(FlowCollection))]
public sealed class TraceTests(FlowFixture flow)
{
    [Fact]
    public async Task One_trace_leads_from_the_admission_of_a_pod_over_the_bus_to_the_cached_image()
    {
        // Given an image that nothing has asked for
        var space = await flow.Kuik.Kubernetes.NewNamespace();
        var image = await flow.PushImage("traces/one", "1", TestImage.Small(flow.Seed()));

        // When a pod with it is admitted, and it is cached
        var pod = await flow.CachedByPod(space, "traced", image);

        // Then the pod carries a trace, and each step is in it, in a process of its own
        var traceParent = (string?)pod["metadata"]!["annotations"]![Names.TraceAnnotation];
        var traceId = Assert.IsType<string>(traceParent).Split('-')[1];
        await Has(traceId, "kuik-webhook", "review");
        await Has(traceId, "kuik-pod-watcher", "record pod");
        await Has(traceId, "kuik-pod-watcher", "relay RequestedByPod");
        await Has(traceId, "kuik-image-fetcher", "copy image");
        await Has(traceId, "kuik-pod-watcher", "relay ImageCached");

        // And each one leads back to the admission
        var spans = flow.Traces.Spans.Where(span => span.TraceId == traceId).DistinctBy(span => span.SpanId)
            .ToDictionary(span => span.SpanId);
        var step = spans.Values.First(span => span.Name == "relay ImageCached");
        var way = new List<string>();
        for (var at = step; at is not null; at = spans.GetValueOrDefault(at.ParentId))
            way.Add(at.Name);
        Assert.Equal(["review", "record pod", "relay RequestedByPod"], Enumerable.Reverse(way).Take(3));
        Assert.Equal("review", spans[traceParent!.Split('-')[2]].Name);
    }

    private Task Has(string trace, string service, string name) => Named(
        () => flow.Traces.Spans.Any(span => span.TraceId == trace && span.Service == service && span.Name == name),
        trace, $"{service} has exported \"{name}\"");

    private async Task Named(Func<bool> isThere, string trace, string what)
    {
        try
        {
            await Eventually.True(isThere, what);
        }
        catch (TimeoutException late)
        {
            var found = flow.Traces.Spans.Where(span => span.TraceId == trace).Select(span => $"{span.Service} {span.Name}");
            throw new TimeoutException($"{late.Message}: {string.Join(", ", found)}", late);
        }
    }
}
