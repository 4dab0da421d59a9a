using System.Diagnostics;
using System.Text.Json;
using Kuik.Contracts;
using Kuik.Hosting;

namespace Kuik.Webhook;

/// <summary>The trace of a pod from its admission on. Nothing of it exists unless traces are exported.</summary>
internal static class PodTrace
{
    private static readonly ActivitySource Source = new("Kuik.Webhook");

    /// <summary>Begins the span of a review: in the pod's trace when it has one, since Kubernetes may ask about a pod again, else in the
    /// caller's.</summary>
    /// <param name="http">The request.</param>
    /// <param name="request">The review's.</param>
    /// <returns>Null when it is not recorded; of a dry run none is.</returns>
    public static Activity? Begin(HttpRequest http, JsonElement? request)
    {
        if (!Source.HasListeners() || request.Member("dryRun") is { ValueKind: JsonValueKind.True })
            return null;
        return Source.StartRequest("review", Carried(request.Member("object")) ?? http.Headers.TraceParent.ToString())
            ?.SetTag("k8s.namespace.name", request.Member("namespace").Text());
    }

    /// <summary>The change with the trace that its pod is to carry: none when it carries one, or when the span is not recorded.</summary>
    public static PodChange With(PodChange change, Activity? review) =>
        review is { Recorded: true } && Carried(change.Pod) is null ? change with { TraceParent = review.Id } : change;

    private static string? Carried(JsonElement? pod) => pod.Member("metadata").Member("annotations").Member(Names.TraceAnnotation).Text();
}
