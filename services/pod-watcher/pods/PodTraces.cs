using System.Collections.Concurrent;
using System.Diagnostics;
using Kuik.Contracts;

namespace Kuik.PodWatcher;

/// <summary>
/// Continues the traces that the webhook began, from the annotation of a pod to the events that are recorded because of it. Keeps the
/// annotation of young pods only until they are recorded, and nothing unless traces are exported.
/// </summary>
internal sealed class PodTraces(TimeProvider time)
{
    /// <summary>The age up to which the record of a pod belongs to its admission.</summary>
    private static readonly TimeSpan Young = TimeSpan.FromMinutes(5);

    private const int MostPods = 10_000;

    private static readonly ActivitySource Source = new("Kuik.PodWatcher");

    private readonly ConcurrentDictionary<string, string> _traceParents = new();

    /// <summary>Notes the trace of a pod that was read from the API.</summary>
    public void Note(Pod pod)
    {
        if (!Source.HasListeners() || pod.Metadata.Annotations?.GetValueOrDefault(Names.TraceAnnotation) is not { } traceParent
            || time.GetUtcNow() - pod.Metadata.CreationTimestamp > Young)
            return;
        if (_traceParents.Count >= MostPods)
            _traceParents.Clear();   // some traces end early
        _traceParents[pod.Metadata.Uid!] = traceParent;
    }

    /// <summary>Forgets a pod that is recorded.</summary>
    public void Forget(string uid) => _traceParents.TryRemove(uid, out _);

    /// <summary>Begins the spans of pods that are recorded now. If that fails, the next attempt has spans too.</summary>
    public RecordingSpans Begin(IEnumerable<LiveUser> pods)
    {
        var spans = new RecordingSpans();
        if (_traceParents.IsEmpty)
            return spans;
        foreach (var pod in pods)
            if (_traceParents.TryGetValue(pod.Uid, out var text) && ActivityContext.TryParse(text, null, isRemote: true, out var admission)
                && Source.CreateActivity("record pod", ActivityKind.Consumer, admission) is { } span)
                spans.Add(pod.Uid, span.SetTag("k8s.pod.uid", pod.Uid).SetTag("k8s.pod.name", pod.Name)
                    .SetTag("k8s.namespace.name", pod.Namespace));
        return spans;
    }
}
