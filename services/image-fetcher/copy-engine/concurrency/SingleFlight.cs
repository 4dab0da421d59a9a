using System.Collections.Concurrent;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Work that is done once at a time for a key, however many want it: later requests join. It belongs to none of them: one that leaves ends
/// only its own waiting; the work ends with the engine.
/// </summary>
/// <param name="stopping">Ends all work.</param>
/// <param name="sight">Counts joins, and watches work that must end within minutes; null for neither.</param>
internal sealed class SingleFlight<TKey, TResult>(CancellationToken stopping, WorkInstrumentation? sight = null) where TKey : notnull
{
    private readonly ConcurrentDictionary<TKey, Lazy<Task<TResult>>> _running = new();

    /// <summary>The work under way for this key; begun if there is none.</summary>
    /// <param name="key">What it is for.</param>
    /// <param name="work">Called by the one that comes first, with a token that only the end of the engine cancels.</param>
    public Task<TResult> RunOnce(TKey key, Func<CancellationToken, Task<TResult>> work)
    {
        Lazy<Task<TResult>>? own = null;
        own = new Lazy<Task<TResult>>(() => Task.Run(async () =>
        {
            using var watched = sight?.Watchdog?.Begin($"{sight.Name} of {key}");
            try
            {
                return await work(stopping);
            }
            finally
            {
                _running.TryRemove(KeyValuePair.Create(key, own!));
            }
        }, CancellationToken.None));
        var running = _running.GetOrAdd(key, own);
        if (running != own)
            sight?.Metrics.CountJoin(sight.Name);
        return running.Value;
    }

    /// <summary>The work under way for this key, or null.</summary>
    public Task<TResult>? Find(TKey key) => _running.TryGetValue(key, out var work) ? work.Value : null;
}

/// <summary>How work is seen from outside.</summary>
/// <param name="Name">Its metric's label: <c>manifest</c>.</param>
/// <param name="Metrics">Counts joins.</param>
/// <param name="Watchdog">Null for work that may take hours, whose parts are watched.</param>
internal sealed record WorkInstrumentation(string Name, EngineMetrics Metrics, WorkWatchdog? Watchdog = null);
