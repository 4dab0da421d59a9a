using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace Kuik.Contracts;

/// <summary>
/// Where a repository is in the cache registry, and under node-proxy: <c>&lt;origin host&gt;[_&lt;port&gt;]/&lt;repository&gt;</c>.
/// An underscore cannot occur in a host name, so a path reads back as one host and one repository only.
/// </summary>
public static partial class CachePath
{
    /// <summary>The full path of an image's repository: <c>docker.io/library/nginx</c>,
    /// <c>registry.example.com_5000/team/app</c>.</summary>
    public static string Of(ImageReference image) => $"{image.Host.Replace(':', '_')}/{image.Repository}";

    /// <summary>
    /// Reads a path back, as it stands between <c>/v2/</c> and <c>/manifests/</c>. A path without a host is Docker Hub's,
    /// as in the references that pods write: <c>nginx</c> is <c>docker.io/library/nginx</c>.
    /// </summary>
    /// <param name="path">Without a leading slash.</param>
    /// <param name="target">The tag or digest asked for.</param>
    /// <param name="image">The image of the path, when the result is true.</param>
    /// <param name="problem">The problem with it, when the result is false.</param>
    public static bool TryRead(string path, string target, [NotNullWhen(true)] out ImageReference? image,
        [NotNullWhen(false)] out string? problem)
    {
        var slash = path.IndexOf('/', StringComparison.Ordinal);
        var first = slash < 0 ? "" : path[..slash];
        if (HostAndPort().IsMatch(first))
            return ImageReference.TryCreate(first.Replace('_', ':'), path[(slash + 1)..], target, out image, out problem);
        if (first.Contains('.') || first == "localhost")
            return ImageReference.TryCreate(first, path[(slash + 1)..], target, out image, out problem);
        return ImageReference.TryCreate(ImageReference.DockerHub, path, target, out image, out problem);
    }

    [GeneratedRegex(@"\A[a-z0-9][a-z0-9.-]*_[0-9]{1,5}\z")]
    private static partial Regex HostAndPort();
}
