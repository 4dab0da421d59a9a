using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Kuik.Contracts;

/// <summary>The names of CachedImage and Repository resources, as kube-image-keeper v1 made them.</summary>
public static partial class ObjectName
{
    /// <summary>Longest name of a Kubernetes object, in characters (a DNS-1123 subdomain).</summary>
    public const int Longest = 253;

    /// <summary>The name of an image's CachedImage: <c>docker.io-library-nginx-1.27</c>.</summary>
    /// <remarks>Different images can share one (<c>a/b</c> and <c>a-b</c>): the one that is named later takes <see cref="Distinct"/>.</remarks>
    public static string Of(ImageReference image) => Sanitise(image.ToString()) is { Length: <= Longest } name ? name : Distinct(image);

    /// <summary>A name that only this image has: the usual one, cut where needed, with <c>-</c> and eight hex digits of the reference's SHA-256.</summary>
    public static string Distinct(ImageReference image)
    {
        var suffix = "-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(image.ToString())))[..8];
        var name = Sanitise(image.ToString());
        return name[..Math.Min(name.Length, Longest - suffix.Length)].TrimEnd('-', '.') + suffix;
    }

    /// <summary>The name of an image's Repository: <c>docker.io-library-nginx</c>.</summary>
    public static string OfRepository(ImageReference image) => Sanitise(image.Name);

    /// <summary>The value of the label <see cref="Names.RepositoryLabel"/>: the Repository's name, or the hex SHA-224 of it when it has more than 63 characters.</summary>
    public static string RepositoryLabel(ImageReference image) =>
        OfRepository(image) is { Length: <= 63 } name ? name : Sha224.Hex(OfRepository(image));

    /// <summary>Lower case; the maximal matches of a DNS-1123 subdomain, joined by dashes.</summary>
    public static string Sanitise(string text) => string.Join('-', Subdomain().Matches(text.ToLowerInvariant()).Select(m => m.Value));

    [GeneratedRegex(@"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")]
    private static partial Regex Subdomain();
}
