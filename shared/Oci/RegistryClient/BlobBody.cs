using System.Net.Http.Headers;

namespace Kuik.Oci;

/// <summary>A blob on its way.</summary>
/// <param name="Body">The bytes, unverified. A break is a <see cref="RegistryException"/>.</param>
/// <param name="Length">Of this body in bytes; null when the registry did not say.</param>
/// <param name="Range">The range of the body; null for the whole blob, also where a range was requested.</param>
public sealed record BlobBody(Stream Body, long? Length, ContentRangeHeaderValue? Range) : IAsyncDisposable
{
    public ValueTask DisposeAsync() => Body.DisposeAsync();
}
