using System.Collections.Concurrent;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Work that is done once at a time for a key, however many want it: late comers join. It belongs to none of them: one that leaves ends only its own
/// waiting; the work ends with the engine.
/// </summary>
internal sealed class Joined<TKey, TResult>(CancellationToken stopping) where TKey : notnull
{
    private readonly ConcurrentDictionary<TKey, Lazy<Task<TResult>>> _running = new();

    /// <summary>The work under way for this key; begun if there is none.</summary>
    /// <param name="key">What it is for.</param>
    /// <param name="work">Called by the one that comes first, with a token that only the end of the engine cancels.</param>
    public Task<TResult> Run(TKey key, Func<CancellationToken, Task<TResult>> work)
    {
        Lazy<Task<TResult>>? own = null;
        own = new Lazy<Task<TResult>>(() => Task.Run(async () =>
        {
            try
            {
                return await work(stopping);
            }
            finally
            {
                _running.TryRemove(KeyValuePair.Create(key, own!));
            }
        }, CancellationToken.None));
        return _running.GetOrAdd(key, own).Value;
    }

    /// <summary>The work under way for this key, or null.</summary>
    public Task<TResult>? Find(TKey key) => _running.TryGetValue(key, out var work) ? work.Value : null;
}
