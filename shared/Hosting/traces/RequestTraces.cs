using System.Diagnostics;
using Microsoft.AspNetCore.Http;

namespace Kuik.Hosting;

/// <summary>Spans of HTTP requests.</summary>
public static class RequestTraces
{
    /// <summary>
    /// Begins the span of a request, in the trace that its <c>traceparent</c> names, else in a new one. ASP.NET Core has an activity of its
    /// own for each request, which is not recorded: a child of it would not be recorded either.
    /// </summary>
    /// <param name="source">The service's own.</param>
    /// <param name="name">A fixed word.</param>
    /// <param name="request">The request.</param>
    /// <returns>Null when no traces are exported, or when this one is not sampled by its caller.</returns>
    public static Activity? StartRequest(this ActivitySource source, string name, HttpRequest request) =>
        source.HasListeners() ? source.StartRequest(name, request.Headers.TraceParent.ToString()) : null;

    /// <summary>The same, in the trace of a <c>traceparent</c>; null or an invalid one: in a new trace.</summary>
    public static Activity? StartRequest(this ActivitySource source, string name, string? traceParent)
    {
        if (!source.HasListeners())
            return null;
        ActivityContext.TryParse(traceParent, null, isRemote: true, out var caller);
        Activity.Current = null;
        return source.StartActivity(name, ActivityKind.Server, caller);
    }
}
