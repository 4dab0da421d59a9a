using System.Diagnostics;

namespace Kuik.PodWatcher;

/// <summary>The spans of pods that are recorded together, in one transaction. Disposed when it has ended.</summary>
internal sealed class RecordingSpans : IDisposable
{
    private readonly Dictionary<string, Activity> _byUid = [];

    /// <summary>Starts the span of a pod. It does not become the current one.</summary>
    public void Add(string uid, Activity span)
    {
        var current = Activity.Current;
        _byUid[uid] = span.Start();
        Activity.Current = current;
    }

    /// <summary>Appends within the span of a pod: the event continues its trace. Without a span, it just appends.</summary>
    public void Within(string uid, Action append)
    {
        if (!_byUid.TryGetValue(uid, out var span))
        {
            append();
            return;
        }
        var current = Activity.Current;
        Activity.Current = span;
        append();
        Activity.Current = current;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var span in _byUid.Values)
            span.Dispose();
    }
}
