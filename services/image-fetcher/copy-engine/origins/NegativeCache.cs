namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// What origins have just refused to pulls, good for the others who ask: a missing tag must not be asked for by every node. How long a rate limit holds is known
/// to <see cref="RateLimits"/>.
/// </summary>
internal sealed class NegativeCache<TKey>(TimeProvider time) where TKey : notnull
{
    private static readonly TimeSpan GoodFor = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(60);

    private readonly BoundedCache<TKey, (CopyException Failure, DateTimeOffset GoodUntil)> _refused = new(most: 4096);

    /// <exception cref="CopyException">It was refused a moment ago.</exception>
    public void ThrowIfKnown(TKey key)
    {
        if (_refused.TryGet(key, out var refusal) && refusal.GoodUntil > time.GetUtcNow())
            throw refusal.Failure;
    }

    /// <summary>Remembers a refusal, for as long as the origin asked to be left alone or a moment.</summary>
    public void Remember(TKey key, CopyException failure)
    {
        if (failure.Kind is CopyException.RateLimited or CopyException.Cache or CopyException.Stopping)
            return;
        var wait = failure.RetryAfter ?? GoodFor;
        _refused.Set(key, (failure, time.GetUtcNow() + (wait < Longest ? wait : Longest)));
    }
}
