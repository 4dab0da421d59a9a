using System.Collections.Concurrent;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Runs work once at a time for each key: later requests join the running work. The work is independent of its requests: a request that is
/// cancelled ends only its own wait; the work ends with the engine.
/// </summary>
/// <param name="stopping">Cancels all work.</param>
/// <param name="sight">Counts joins, and watches work that must end within minutes; null for neither.</param>
internal sealed class SingleFlight<TKey, TResult>(CancellationToken stopping, WorkInstrumentation? sight = null) where TKey : notnull
{
    private readonly ConcurrentDictionary<TKey, Lazy<Task<TResult>>> _running = new();

    /// <summary>Starts the work for a key, or joins it.</summary>
    /// <param name="key">Identifies the work.</param>
    /// <param name="work">Called for the first request, with a token that is cancelled only by the end of the engine.</param>
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

    /// <summary>The running work for a key, or null.</summary>
    public Task<TResult>? Find(TKey key) => _running.TryGetValue(key, out var work) ? work.Value : null;
}
