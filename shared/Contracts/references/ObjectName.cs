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
    /// <remarks>Different images can share one (<c>a/b</c> and <c>a-b</c>): the one that is named later takes
    /// <see cref="Distinct(ImageReference)"/>.</remarks>
    public static string Of(ImageReference image) => Sanitise(image.ToString()) is { Length: <= Longest } name ? name : Distinct(image);

    /// <summary>A name that only this image has: the usual one, cut where needed, with <c>-</c> and eight hex digits of the reference's
    /// SHA-256.</summary>
    public static string Distinct(ImageReference image) => Distinct(image.ToString());

    /// <summary>The name of an image's Repository: <c>docker.io-library-nginx</c>; cut and made distinct like an image's where it would be
    /// too long.</summary>
    public static string OfRepository(ImageReference image) => Sanitise(image.Name) is { Length: <= Longest } name
        ? name
        : Distinct(image.Name);

    /// <summary>The value of the label <see cref="Names.RepositoryLabel"/>: the Repository's name, or the hex SHA-224 of it when it has
    /// more than 63 characters.</summary>
    public static string RepositoryLabel(ImageReference image) =>
        Sanitise(image.Name) is { Length: <= 63 } name ? name : Sha224.Hex(Sanitise(image.Name));

    /// <summary>Lower case; the maximal matches of a DNS-1123 subdomain, joined by dashes.</summary>
    public static string Sanitise(string text) => string.Join('-', Subdomain().Matches(text.ToLowerInvariant()).Select(m => m.Value));

    private static string Distinct(string reference)
    {
        var suffix = "-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(reference)))[..8];
        var name = Sanitise(reference);
        return name[..Math.Min(name.Length, Longest - suffix.Length)].TrimEnd('-', '.') + suffix;
    }

    [GeneratedRegex(@"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")]
    private static partial Regex Subdomain();
}
