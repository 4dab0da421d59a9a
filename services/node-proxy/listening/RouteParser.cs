using System.Globalization;
using System.Net;
using Kuik.Contracts;

namespace Kuik.NodeProxy;

/// <summary>Reads the path of a request: <c>/v2/[origin/]repository/manifests/reference</c> and its siblings. No I/O.</summary>
internal static class RouteParser
{
    /// <summary>Longest path that can name anything: 255 characters of name, 136 of a sha512 digest, and the words between.</summary>
    private const int LongestPath = 512;

    /// <param name="method">Of HTTP.</param>
    /// <param name="path">Decoded, with its leading slash.</param>
    /// <param name="origin">Value of <c>?ns=</c>, by which a runtime's mirror request names the origin; null when absent.</param>
    /// <param name="ownPorts">node-proxy's own ports: a reference that names one has no origin.</param>
    /// <param name="ownAddresses">Where it listens beside the loopback addresses.</param>
    public static Route Parse(string method, string path, string? origin, IEnumerable<int> ownPorts,
        IReadOnlyCollection<IPAddress> ownAddresses)
    {
        if (method is not ("GET" or "HEAD"))
            return new Route.Refused(405, "UNSUPPORTED", "only GET and HEAD are answered here");
        if (path is "/v2/" or "/v2")
            return new Route.Version();
        if (path.Length > LongestPath || !path.StartsWith("/v2/", StringComparison.Ordinal))
            return new Route.Refused(404, "UNSUPPORTED",
                "only /v2/ and a repository's manifests, blobs, tags/list and referrers are answered here");

        // 1. The last part is the reference, the one before it its kind; the rest is the repository.
        var rest = path.AsSpan(4);
        var beforeLast = rest.LastIndexOf('/');
        var beforeKind = beforeLast < 0 ? -1 : rest[..beforeLast].LastIndexOf('/');
        if (beforeKind < 1 || beforeLast == rest.Length - 1)
            return new Route.Refused(404, "UNSUPPORTED",
                "only /v2/ and a repository's manifests, blobs, tags/list and referrers are answered here");
        var (name, kind, target) =
            (rest[..beforeKind].ToString(), rest[(beforeKind + 1)..beforeLast].ToString(), rest[(beforeLast + 1)..].ToString());

        // 2. A path that is none of ours is refused before its name is looked at.
        var isTags = kind is "tags" && target == "list";
        if (!isTags && kind is not ("manifests" or "blobs" or "referrers"))
            return new Route.Refused(404, "UNSUPPORTED",
                "only /v2/ and a repository's manifests, blobs, tags/list and referrers are answered here");

        // 3. The name, then the reference.
        ImageReference? image;
        string? problem;
        var isNamed = origin is null || IsOurselves(origin, ownPorts, ownAddresses)
            ? CachePath.TryRead(name, "latest", out image, out problem)
            : ImageReference.TryCreate(origin, name, "latest", out image, out problem);
        if (!isNamed)
            return new Route.Refused(400, "NAME_INVALID", problem!);
        if (IsOurselves(image!.Host, ownPorts, ownAddresses))
            return new Route.Refused(400, "NAME_INVALID", $"{image.Host} is node-proxy itself, which is the origin of nothing");
        if (isTags)
            return new Route.Tags(image);
        if (!ImageReference.IsDigest(target) && (kind is not "manifests" || !ImageReference.IsTag(target)))
            return kind is "manifests"
                ? new Route.Refused(400, "TAG_INVALID",
                    "the reference is neither a tag nor a digest (sha256: and 64 hex digits, or sha512: and 128)")
                : new Route.Refused(400, "DIGEST_INVALID", "the reference is not a digest (sha256: and 64 hex digits, or sha512: and 128)");
        image = image.With(target);
        return kind switch
        {
            "manifests" => new Route.ManifestRoute(image),
            "blobs" => new Route.Blob(image),
            _ => new Route.Referrers(image),
        };
    }

    // An address may be written in many ways: 0x7f.1 and 2130706433 are 127.0.0.1.
    private static bool IsOurselves(string host, IEnumerable<int> ownPorts, IReadOnlyCollection<IPAddress> ownAddresses)
    {
        var colon = host.LastIndexOf(':');
        if (colon <= 0 || !int.TryParse(host.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port)
            || !ownPorts.Contains(port))
            return false;
        var name = host[..colon].TrimEnd('.');
        return string.Equals(name, "localhost", StringComparison.OrdinalIgnoreCase)
            || (IPAddress.TryParse(name.Trim('[', ']'), out var address) && IsOfThisMachine(address, ownAddresses));
    }

    private static bool IsOfThisMachine(IPAddress address, IReadOnlyCollection<IPAddress> ownAddresses)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return IPAddress.IsLoopback(plain) || plain.Equals(IPAddress.Any) || plain.Equals(IPAddress.IPv6Any)
            || ownAddresses.Contains(plain);
    }
}
