namespace Kuik.Oci;

/// <summary>The headers of every request to registries and token servers.</summary>
internal static class RegistryRequest
{
    /// <summary>A request that asks for bytes as they are: without Accept-Encoding any content coding would be acceptable (RFC 9110 section
    /// 12.5.3).</summary>
    public static HttpRequestMessage Create(HttpMethod method, Uri address)
    {
        var request = new HttpRequestMessage(method, address);
        request.Headers.TryAddWithoutValidation("User-Agent", "kuik");
        request.Headers.TryAddWithoutValidation("Accept-Encoding", "identity");
        return request;
    }
}
