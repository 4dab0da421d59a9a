namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Recent refusals of origins, so that a missing tag is not requested for every node. Rate limits are kept in <see cref="RateLimits"/>.
/// </summary>
internal sealed class NegativeCache<TKey>(TimeProvider time) where TKey : notnull
{
    private static readonly TimeSpan GoodFor = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(60);

    private readonly BoundedCache<TKey, (CopyException Failure, DateTimeOffset GoodUntil)> _refused = new(most: 4096);

    /// <summary>Throws a remembered refusal.</summary>
    /// <exception cref="CopyException">It was refused a moment ago.</exception>
    public void ThrowIfKnown(TKey key)
    {
        if (_refused.TryGet(key, out var refusal) && refusal.GoodUntil > time.GetUtcNow())
            throw refusal.Failure;
    }

    /// <summary>Remembers a refusal, for as long as the origin asked to wait, or a moment.</summary>
    public void Remember(TKey key, CopyException failure)
    {
        if (failure.Kind is CopyException.RateLimited or CopyException.Cache or CopyException.Stopping)
            return;
        var wait = failure.RetryAfter ?? GoodFor;
        _refused.Set(key, (failure, time.GetUtcNow() + (wait < Longest ? wait : Longest)));
    }
}
