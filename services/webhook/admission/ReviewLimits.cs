using System.Threading.RateLimiting;

namespace Kuik.Webhook;

/// <summary>
/// Bounds on the concurrency and memory of reviews. A review that does not fit is answered 503 at once, or when the queue has no
/// place for it, without a Retry-After: <c>failurePolicy: Ignore</c> then admits the pod unchanged, where the API server's client would
/// wait as long as such a header says and try again. ("Allowed, unchanged" would need the review's uid, which is in the body that there
/// is no room to read.)
/// </summary>
internal static class ReviewLimits
{
    /// <summary>
    /// Largest request that is read, in bytes; a larger one is answered 413, by its Content-Length before any of it is read. etcd takes
    /// objects of 1.5 MiB by default (<c>--max-request-bytes</c>), and the review of an update has two of them; another MiB is for JSON
    /// being longer than what is stored. A larger pod is admitted unchanged.
    /// </summary>
    public const long LargestBody = 4 * 1024 * 1024;

    /// <summary>Largest review, in bytes, that counts as a usual one: 300 containers.</summary>
    public const long LargestUsual = 256 * 1024;

    /// <summary>Usual reviews at once: 8 MiB of them; the processor has long been the limit by then.</summary>
    public const int MostUsual = 32;

    /// <summary>Usual reviews that wait. Each takes less than a millisecond; an API server waits 2 seconds.</summary>
    public const int MostUsualWaiting = 500;

    /// <summary>
    /// Larger reviews at once, and as many that wait; a body without a declared length counts as one. One may take 100 MiB of memory if
    /// it is made to.
    /// </summary>
    public const int MostLarge = 2;

    /// <summary>The name of the policy for endpoints.</summary>
    public const string Policy = "reviews";

    /// <summary>Adds the limiter.</summary>
    public static IServiceCollection AddReviewLimits(this IServiceCollection services) => services.AddRateLimiter(limiter =>
    {
        limiter.AddPolicy(Policy, http => http.Request.ContentLength is { } length && length <= LargestUsual
            ? RateLimitPartition.GetConcurrencyLimiter(false, _ => Limit(MostUsual, MostUsualWaiting))
            : RateLimitPartition.GetConcurrencyLimiter(true, _ => Limit(MostLarge, MostLarge)));
        limiter.OnRejected = async (rejected, _) => await AnswerAdmission.Refuse(
            rejected.HttpContext, StatusCodes.Status503ServiceUnavailable, "too many reviews at once",
            rejected.HttpContext.RequestServices.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(AnswerAdmission)));
    });

    private static ConcurrencyLimiterOptions Limit(int permits, int queue) =>
        new() { PermitLimit = permits, QueueLimit = queue, QueueProcessingOrder = QueueProcessingOrder.OldestFirst };
}
