using System.Net;

namespace Kuik.Oci;

/// <summary>The content of an answer, with a lease that is held until the content has been read: disposed together.</summary>
internal sealed class LeasedContent : HttpContent
{
    private readonly HttpContent _content;
    private readonly IDisposable _lease;

    public LeasedContent(HttpContent content, IDisposable lease)
    {
        (_content, _lease) = (content, lease);
        foreach (var (name, values) in content.Headers.NonValidated)
            Headers.TryAddWithoutValidation(name, values);
    }

    protected override Task<Stream> CreateContentReadStreamAsync() => _content.ReadAsStreamAsync();

    protected override Task<Stream> CreateContentReadStreamAsync(CancellationToken cancellationToken) =>
        _content.ReadAsStreamAsync(cancellationToken);

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => _content.CopyToAsync(stream, context);

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken) =>
        _content.CopyToAsync(stream, context, cancellationToken);

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;   // a length that the server has sent is among the headers
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _content.Dispose();
            _lease.Dispose();
        }
        base.Dispose(disposing);
    }
}
