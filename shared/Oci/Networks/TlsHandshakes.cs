using System.Runtime.CompilerServices;

namespace Kuik.Oci;

/// <summary>
/// Runs TLS handshakes on the thread pool. A handshake checks certificates, and every few minutes that reads all of the system's
/// authorities from files: for a quarter of a second the thread that completes socket operations
/// (docs/decisions/0009-nothing-blocks.md) would serve nothing.
/// </summary>
public static class TlsHandshakes
{
    private static readonly ConditionalWeakTable<HttpRequestMessage, HandshakeStream> Running = [];

    /// <summary>Changes how the handler's connections are made; to be called after everything else about them is set.</summary>
    public static SocketsHttpHandler WithHandshakesOnPool(this SocketsHttpHandler handler)
    {
        var connect = handler.ConnectCallback ?? AddressResolver.Connect;
        handler.ConnectCallback = async (context, ct) =>
        {
            var stream = await connect(context, ct);
            var request = context.InitialRequestMessage;
            if (request.RequestUri?.Scheme != Uri.UriSchemeHttps && request.Method != HttpMethod.Connect)   // the latter: through a proxy
                return stream;
            var handshake = new HandshakeStream(stream);
            Running.AddOrUpdate(request, handshake);
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            return handshake;
        };
        handler.PlaintextStreamFilter = (context, _) =>
        {
            // Not found when a proxy's CONNECT made the connection: then every read goes by way of the pool.
            if (Running.TryGetValue(context.InitialRequestMessage, out var handshake))
                handshake.IsOver = true;
            return ValueTask.FromResult(context.PlaintextStream);
        };
        return handler;
    }

    /// <summary>A connection whose reads complete on the pool until the handshake is over.</summary>
    private sealed class HandshakeStream(Stream inner) : Stream
    {
        private volatile bool _isOver;

        public bool IsOver
        {
            get => _isOver;
            set => _isOver = value;
        }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            _isOver ? inner.ReadAsync(buffer, cancellationToken) : ReadOnPool(buffer, cancellationToken);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            inner.WriteAsync(buffer, cancellationToken);

        public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

        public override int Read(byte[] buffer, int offset, int count) => inner.Read(buffer, offset, count);

        public override void Write(byte[] buffer, int offset, int count) => inner.Write(buffer, offset, count);

        public override void Flush() => inner.Flush();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                inner.Dispose();
            base.Dispose(disposing);
        }

        private async ValueTask<int> ReadOnPool(Memory<byte> buffer, CancellationToken ct)
        {
            var read = await inner.ReadAsync(buffer, ct);
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            return read;
        }
    }
}
