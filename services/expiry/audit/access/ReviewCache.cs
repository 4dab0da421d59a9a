using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace Kuik.Expiry.Audit;

/// <summary>Results of reviews, each for a short time. Thread-safe.</summary>
/// <param name="lifetime">The time that a result is used for.</param>
/// <param name="time">The clock.</param>
internal sealed class ReviewCache<TResult>(TimeSpan lifetime, TimeProvider time)
{
    private const int MostResults = 1000;

    private readonly ConcurrentDictionary<string, (TResult Result, long Since)> _results = new();

    /// <summary>Finds a result that is not too old.</summary>
    public bool TryGet(string key, [MaybeNullWhen(false)] out TResult result)
    {
        var isFound = _results.TryGetValue(key, out var kept) && time.GetElapsedTime(kept.Since) < lifetime;
        result = isFound ? kept.Result : default;
        return isFound;
    }

    /// <summary>Keeps a result.</summary>
    public void Keep(string key, TResult result)
    {
        if (_results.Count >= MostResults)
            _results.Clear();   // as after ten seconds; only a flood of different tokens comes here
        _results[key] = (result, time.GetTimestamp());
    }
}
