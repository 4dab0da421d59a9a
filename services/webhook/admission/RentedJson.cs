using System.Buffers;
using System.Text.Json;

namespace Kuik.Webhook;

/// <summary>
/// A JSON body in a buffer of the pool. A body's length is known, mostly, so that it takes one buffer and not twice its size in buffers
/// that grow.
/// </summary>
internal sealed class RentedJson : IDisposable
{
    private static readonly JsonDocumentOptions Options = new() { MaxDepth = 1000 };

    private readonly JsonDocument _document;
    private readonly byte[]? _buffer;

    private RentedJson(JsonDocument document, byte[]? buffer) => (_document, _buffer) = (document, buffer);

    /// <summary>Valid until it is disposed.</summary>
    public JsonElement Root => _document.RootElement;

    /// <summary>Reads a request's body.</summary>
    /// <exception cref="JsonException">It is not JSON.</exception>
    /// <exception cref="BadHttpRequestException">It is too large, too slow or ends early.</exception>
    public static async Task<RentedJson> Read(HttpRequest request, CancellationToken ct)
    {
        if (request.ContentLength is not (> 0 and <= ReviewLimits.LargestBody and var length))
            return new RentedJson(await JsonDocument.ParseAsync(request.Body, Options, ct), null);   // Kestrel limits it on the way
        var buffer = ArrayPool<byte>.Shared.Rent((int)length);
        try
        {
            var body = buffer.AsMemory(0, (int)length);
            await request.Body.ReadExactlyAsync(body, ct);
            return new RentedJson(JsonDocument.Parse(body, Options), buffer);
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(buffer);
            throw;
        }
    }

    public void Dispose()
    {
        _document.Dispose();
        if (_buffer is not null)
            ArrayPool<byte>.Shared.Return(_buffer);
    }
}
