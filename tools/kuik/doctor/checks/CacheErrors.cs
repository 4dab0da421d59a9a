using System.Text.RegularExpressions;
using Kuik.Kubernetes;

namespace Kuik.CommandLine.Doctor.Checks;

/// <summary>The errors of failed copies, as image-fetcher reports them.</summary>
internal static partial class CacheErrors
{
    private const string Prefix = "the cache registry";   // the prefix of every error of the cache, as opposed to the origin's

    /// <summary>Errors of the cache registry, one an image.</summary>
    public static IEnumerable<string> Of(IEnumerable<CachedImage> images) => Errors(images).Select(image => image.Error).Where(IsOfCache);

    /// <summary>Images whose origin refuses their credentials or anonymous access.</summary>
    public static IReadOnlyList<string> RefusedByOrigin(IEnumerable<CachedImage> images) =>
        [.. Errors(images).Where(image => !IsOfCache(image.Error) && IsOfCredentials(image.Error)).Select(image => image.Name)];

    /// <summary>True for a refusal of credentials.</summary>
    public static bool IsOfCredentials(string error) => Refusal().IsMatch(error);

    private static bool IsOfCache(string error) => error.StartsWith(Prefix, StringComparison.Ordinal);

    private static IEnumerable<(string Name, string Error)> Errors(IEnumerable<CachedImage> images) => images
        .Where(image => image.Status?.LastError is { Length: > 0 } && image.Status.Phase != CachedImagePhase.Ready)
        .Select(image => (image.Metadata.Name!, image.Status!.LastError!));

    [GeneratedRegex(@": (401|403)\b|authentication (is )?required", RegexOptions.IgnoreCase)]
    private static partial Regex Refusal();
}
