using System.Net;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>An image, manifest or blob could not be copied, pulled through or evicted. The message is one sentence for a person, without credentials.</summary>
public sealed class CopyException(string kind, string message, bool retryHelps, TimeSpan? retryAfter = null, HttpStatusCode? status = null, Exception? inner = null)
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

    /// <summary>The image expired while it was copied. Never recorded.</summary>
    public const string Unwanted = "unwanted";

    /// <summary>What it was: the origin's <c>gone</c>, <c>refused</c>, <c>rate-limited</c>, <c>broken</c>, <c>unreachable</c>;
    /// <c>cache</c> when it was the cache registry; <c>internal</c> for an exception that was not foreseen;
    /// <c>stopping</c> when this process ends, which says nothing about the image: another replica is to be asked. It is never recorded.</summary>
    public string Kind { get; } = kind;

    /// <summary>False when another try will fail the same way until somebody changes something.</summary>
    public bool RetryHelps { get; } = retryHelps;

    /// <summary>How long the origin asked to wait; null when it did not say. In whole seconds, rounded up: whoever comes a millisecond too early is refused again.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter is { } wait ? TimeSpan.FromSeconds(Math.Ceiling(wait.TotalSeconds)) : null;

    /// <summary>The origin's status; null when there was none.</summary>
    public HttpStatusCode? Status { get; } = status;

    /// <summary>
    /// A failure made of an exception that was not foreseen, which is the inner exception. The message holds nothing that may be a
    /// credential.
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
        new(Cache, "the cache registry: " + e.Message, e.IsTransient || e.Kind is RegistryErrorKind.Gone or RegistryErrorKind.Refused, e.RetryAfter, e.Status, e);
}
