using System.Net;
using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>Applies <see cref="OriginRules"/> to copies and pulls.</summary>
internal static class DeniedOrigins
{
    /// <summary>Checks the origin of an image.</summary>
    /// <exception cref="CopyException">The rules deny the image's origin: <c>refused</c>, in pulls a 403. The message
    /// names the setting.</exception>
    public static void ThrowIfDenied(this OriginRules rules, ImageReference image)
    {
        if (rules.DenialReason(image.Host) is { } reason)
            throw new CopyException(CopyException.Refused, reason, retryHelps: false, status: HttpStatusCode.Forbidden);
    }
}
