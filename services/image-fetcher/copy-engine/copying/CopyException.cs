using System.Net;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// A failed copy, pull-through or eviction of an image, manifest or blob. The message is one sentence for users, without credentials.
/// </summary>
public sealed class CopyException(string kind, string message, bool retryHelps, TimeSpan? retryAfter = null, HttpStatusCode? status = null,
    Exception? inner = null)
    : Exception(message, inner)
{
    public const string Gone = "gone";
    public const string Refused = "refused";
    public const string RateLimited = "rate-limited";
    public const string Broken = "broken";
    public const string Unreachable = "unreachable";
    public const string Cache = "cache";
    public const string Internal = "internal";
    public const string Stopping = "stopping";

    /// <summary>The kind of an image that expired while it was copied. Never recorded.</summary>
    public const string Unwanted = "unwanted";

    /// <summary>
    /// The kind of failure: the origin's <c>gone</c>, <c>refused</c>, <c>rate-limited</c>, <c>broken</c>, <c>unreachable</c>; <c>cache</c>
    /// for the cache registry; <c>internal</c> for an unexpected exception; <c>stopping</c> when this process is shutting down, which says
    /// nothing about the image: another replica should be asked. The last is never recorded.
    /// </summary>
    public string Kind { get; } = kind;

    /// <summary>False when a retry fails in the same way until a configuration or the image changes.</summary>
    public bool RetryHelps { get; } = retryHelps;

    /// <summary>
    /// The wait that the origin asked for; null when it named none. Rounded up to whole seconds: a retry a millisecond early
    /// is refused again.
    /// </summary>
    public TimeSpan? RetryAfter { get; } = retryAfter is { } wait ? TimeSpan.FromSeconds(Math.Ceiling(wait.TotalSeconds)) : null;

    /// <summary>The origin's status; null when there was none.</summary>
    public HttpStatusCode? Status { get; } = status;

    /// <summary>
    /// The failure for an unexpected exception, which becomes the inner exception. The message contains nothing that may be a credential.
    /// </summary>
    public static CopyException Unforeseen(Exception e) => new(
        Internal, $"image-fetcher failed unexpectedly ({ExceptionSummary.Of(e)}); its log has the stack", retryHelps: true, inner: e);

    internal static CopyException AtOrigin(RegistryException e) => new(e.Kind switch
    {
        RegistryErrorKind.Gone => Gone,
        RegistryErrorKind.Refused => Refused,
        RegistryErrorKind.RateLimited => RateLimited,
        RegistryErrorKind.Unreachable => Unreachable,
        _ => Broken,
    }, e.Message, e.IsTransient, e.RetryAfter, e.Status, e);

    internal static CopyException AtCache(RegistryException e) =>
        new(Cache, "the cache registry: " + e.Message, e.IsTransient || e.Kind is RegistryErrorKind.Gone or RegistryErrorKind.Refused,
            e.RetryAfter, e.Status, e);
}
