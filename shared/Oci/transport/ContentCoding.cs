using System.IO.Compression;
using System.Net;
using Kuik.Hosting;

namespace Kuik.Oci;

/// <summary>
/// Content codings (RFC 9110 section 8.4) of answers. None is asked for; some servers and proxies apply one all the same, and digests are
/// of the decoded bytes.
/// </summary>
internal static class ContentCoding
{
    /// <summary>
    /// Makes the body of an answer decode itself; its length is unknown then. Of an answer to HEAD only the length is dropped, which is the
    /// coded body's.
    /// </summary>
    /// <param name="method">The method of the request.</param>
    /// <param name="address">The address of the request.</param>
    /// <param name="answer">Changed in place.</param>
    /// <exception cref="RegistryException">The coding is unknown, or it is part of a coded body. Errors are left coded instead.</exception>
    public static void Decode(HttpMethod method, Uri address, HttpResponseMessage answer)
    {
        if (!answer.Content.Headers.NonValidated.TryGetValues("Content-Encoding", out var header))
            return;
        // aws-chunked is how an upload was framed; object stores keep the word and serve the bytes without it.
        var codings = header.ToString().ToLowerInvariant().Split([',', ' '], StringSplitOptions.RemoveEmptyEntries)
            .Where(coding => coding is not ("identity" or "aws-chunked")).ToList();
        if (codings.Count == 0)
            return;
        if (method == HttpMethod.Head)
        {
            answer.Content.Headers.ContentLength = null;
            return;
        }
        var decoder = codings.Count == 1 ? DecoderOf(codings[0]) : null;
        if (decoder is not null && answer.StatusCode != HttpStatusCode.PartialContent)
            answer.Content = new DecodedContent(answer.Content, codings[0], decoder);
        else if (answer.IsSuccessStatusCode)
            throw RegistryException.Unusable(method, address, decoder is null
                ? $"its content coding {string.Join(", ", codings)} is unknown; identity was asked for"
                : $"a part of a body in the content coding {codings[0]} came; identity was asked for", isTransient: false);
    }

    private static Func<Stream, Stream>? DecoderOf(string coding) => coding switch
    {
        "gzip" or "x-gzip" => body => new GZipStream(body, CompressionMode.Decompress),
        "deflate" => body => new ZLibStream(body, CompressionMode.Decompress),
        "br" => body => new BrotliStream(body, CompressionMode.Decompress),
        _ => null,
    };

    private sealed class DecodedContent : HttpContent
    {
        private readonly HttpContent _coded;
        private readonly string _coding;
        private readonly Func<Stream, Stream> _decoder;

        public DecodedContent(HttpContent coded, string coding, Func<Stream, Stream> decoder)
        {
            (_coded, _coding, _decoder) = (coded, coding, decoder);
            foreach (var (name, values) in coded.Headers.NonValidated)
                if (name.ToLowerInvariant() is not ("content-encoding" or "content-length"))
                    Headers.TryAddWithoutValidation(name, values);
        }

        protected override Task<Stream> CreateContentReadStreamAsync() => CreateContentReadStreamAsync(CancellationToken.None);

        protected override async Task<Stream> CreateContentReadStreamAsync(CancellationToken cancellationToken) =>
            new DecodedStream(_decoder(await _coded.ReadAsStreamAsync(cancellationToken)), _coding);

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            await using var body = await CreateContentReadStreamAsync(cancellationToken);
            await body.CopyToAsync(stream, cancellationToken);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                _coded.Dispose();
            base.Dispose(disposing);
        }
    }

    /// <summary>A decoder whose faults are those of a connection: readers are unaware of the coding.</summary>
    private sealed class DecodedStream(Stream decoder, string coding) : ForwardStream
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            try
            {
                return await decoder.ReadAsync(buffer, cancellationToken);
            }
            catch (Exception e) when (e is InvalidDataException or InvalidOperationException)
            {
                throw new IOException($"it is not in the content coding {coding} that it is said to be in", e);
            }
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                decoder.Dispose();
            base.Dispose(disposing);
        }
    }
}
