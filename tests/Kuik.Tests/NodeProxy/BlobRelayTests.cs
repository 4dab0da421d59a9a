using System.IO.Pipelines;
using Kuik.NodeProxy;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Xunit;

namespace Kuik.Tests.NodeProxy;

public sealed class BlobRelayTests
{
    /// <summary>Kestrel drops what is written to a client that has left, and says so with RequestAborted only when a thread is free: here
    /// it never is.</summary>
    [Fact]
    public async Task Nothing_more_is_read_for_a_client_that_has_left()
    {
        const int size = 100 << 20;
        var body = new MemoryStream(new byte[size]);
        using var blob = new Answer.Blob(new HttpResponseMessage { Content = new StreamContent(body) });
        using var transfer = new BlobTransfer("sha256:" + new string('0', 64), blob);
        var pipe = new Pipe();
        var http = new DefaultHttpContext();
        http.Features.Set<IHttpResponseBodyFeature>(new Connection(pipe.Writer));
        await pipe.Reader.CompleteAsync();

        await Assert.ThrowsAsync<ClientDisconnectedException>(() => new BlobRelay(TimeSpan.FromMinutes(1), TimeProvider.System)
            .Relay(blob, transfer, http));

        Assert.InRange(transfer.Sent, 1, BlobRelay.Chunk);
    }

    private sealed class Connection(PipeWriter writer) : IHttpResponseBodyFeature
    {
        public PipeWriter Writer => writer;
        public Stream Stream => writer.AsStream();
        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;
        public Task CompleteAsync() => Task.CompletedTask;
        public void DisableBuffering() { }
        public Task SendFileAsync(string path, long offset, long? count, CancellationToken cancellationToken) =>
            throw new NotSupportedException();
    }
}
