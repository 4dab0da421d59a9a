using Kuik.Contracts;
using Kuik.EventLog;

namespace Kuik.ImageFetcher;

/// <summary>An image that is to be compared with its origin now.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="Attempt">The claim that copied it.</param>
/// <param name="Every">Its repository's interval; null when only a person asked.</param>
/// <param name="TakenAt">UTC, by Postgres' clock: what a person requested until then is done by this comparison.</param>
public sealed record DueRefresh(string Image, long Attempt, TimeSpan? Every, DateTimeOffset TakenAt)
{
    private static readonly TimeSpan ShortestRetry = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromHours(1);

    /// <summary>When an image is next looked at.</summary>
    /// <param name="image">Its state.</param>
    /// <param name="policy">Of its repository; null for none.</param>
    /// <param name="now">UTC, by the database's clock.</param>
    /// <returns>Zero for at once; null for never.</returns>
    public static TimeSpan? PauseOf(ImageState image, RefreshPolicy? policy, DateTimeOffset now)
    {
        if (!image.IsCached)
            return null;
        if (image.RefreshRequestedAt is not null)
            return TimeSpan.Zero;
        if (policy is null || !policy.Covers(image.Image))
            return null;
        var left = policy.Every - (now - image.OriginCheckedAt.GetValueOrDefault());
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    /// <summary>When it is due again after this answer; null for never.</summary>
    public TimeSpan? After(OriginAnswer answer)
    {
        if (answer.IsFinal)
            return Every;
        var retry = Every / 10 ?? ShortestRetry;
        retry = retry < ShortestRetry ? ShortestRetry : retry > LongestRetry ? LongestRetry : retry;
        return answer.RetryAfter > retry ? answer.RetryAfter : retry;
    }
}
