using System.Net;

namespace Kuik.Oci;

/// <summary>
/// The token that node-proxies and image-fetcher's replicas show to image-fetcher, as <c>Authorization: Bearer …</c>. It is not an origin's
/// credential, and a refusal is not an origin's answer: it is a 401 with a challenge, which image-fetcher never passes on from an origin.
/// </summary>
public static class FetcherToken
{
    /// <summary>
    /// A file with the token, the same for node-proxy and image-fetcher; read again when it changes. Default none: node-proxy sends none,
    /// image-fetcher requires none.
    /// </summary>
    public const string FileKey = "Kuik:Fetcher:TokenFile";

    /// <summary>The scheme of the header.</summary>
    public const string Scheme = "Bearer";

    /// <summary>The challenge of a refusal.</summary>
    public const string Challenge = "Bearer realm=\"image-fetcher\"";

    /// <summary>True when a response of image-fetcher refuses the caller, which says nothing about an origin.</summary>
    public static bool IsRefusal(HttpResponseMessage answer) =>
        answer.StatusCode == HttpStatusCode.Unauthorized && answer.Headers.NonValidated.Contains("WWW-Authenticate");
}
