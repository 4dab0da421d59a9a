using System.Buffers;

namespace Kuik.NodeProxy;

/// <summary>
/// Moves a blob from a source to a client through the connection's own buffers (large ones: they matter most for speed), hashing on the
/// way. The last bytes go out only when the digest is right. A small blob is checked before its head is sent, so that the next source can
/// still answer in its place.
/// </summary>
internal sealed class BlobRelay(TimeSpan noProgress, TimeProvider time)
{
    /// <summary>Bytes that a connection may buffer for its client (see <see cref="ListenOnNode"/>). With twice as much a hundred slow
    /// clients hold 70 MB more.</summary>
    public const int HeldBack = 256 << 10;

    /// <summary>Asked of the connection at a time, in bytes. With half as much one stream costs a third more.</summary>
    public const int Chunk = 512 << 10;

    /// <summary>The same while many blobs are on their way: the speed of each is then limited elsewhere. Not below 85 KB, or the collector
    /// moves the buffers about.</summary>
    private const int SmallChunk = 128 << 10;
    private const int Many = 16;

    private int _running;

    /// <param name="blob">The source's answer; its body is read here.</param>
    /// <param name="transfer">The download it is part of.</param>
    /// <param name="http">The client; status and headers are set. One that goes away ends this with an
    /// <see cref="OperationCanceledException"/>.</param>
    public async Task<RelayEnd> Relay(Answer.Blob blob, BlobTransfer transfer, HttpContext http)
    {
        using var read = new BodyReader(noProgress, time, http.RequestAborted, blob.MinRate);
        Interlocked.Increment(ref _running);
        try
        {
            await using var body = await blob.Response.Content.ReadAsStreamAsync(http.RequestAborted);
            return !http.Response.HasStarted && transfer.Length <= HeldBack
                ? await PassSmall(body, transfer, http, read)
                : await PassOn(body, transfer, http, read);
        }
        catch (IOException broken) when (!http.RequestAborted.IsCancellationRequested)
        {
            return new RelayEnd.Broken($"the body broke off ({broken.Message})");
        }
        finally
        {
            Interlocked.Decrement(ref _running);
        }
    }

    private static async Task<RelayEnd> PassSmall(Stream body, BlobTransfer transfer, HttpContext http, BodyReader read)
    {
        var length = (int)transfer.Length!;
        var whole = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            if (await read.Fill(body, whole.AsMemory(0, length)) < length)
                return new RelayEnd.Broken("the body was too short");
            if (!transfer.Take(whole.AsSpan(0, length)))
                return new RelayEnd.Corrupt();
            await http.Response.BodyWriter.WriteAsync(whole.AsMemory(0, length), http.RequestAborted);
            return new RelayEnd.Complete();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(whole);
        }
    }

    private async Task<RelayEnd> PassOn(Stream body, BlobTransfer transfer, HttpContext http, BodyReader read)
    {
        await http.Response.StartAsync(http.RequestAborted);   // head first: GetMemory is then the connection's own memory
        var output = http.Response.BodyWriter;
        while (transfer.Left != 0)
        {
            var memory = output.GetMemory(Volatile.Read(ref _running) > Many ? SmallChunk : Chunk);
            if (transfer.Left < memory.Length)
                memory = memory[..(int)transfer.Left.Value];
            var got = await read.Next(body, memory);
            if (got == 0)
                return transfer.Length is not null ? new RelayEnd.Broken("the body was too short")
                    : transfer.IsRight() ? new RelayEnd.Complete() : new RelayEnd.Corrupt();
            if (!transfer.Take(memory.Span[..got]))
                return new RelayEnd.Corrupt();
            output.Advance(got);
            if ((await output.FlushAsync(http.RequestAborted)).IsCompleted)   // waits for a slow client
                throw new ClientDisconnectedException();
        }
        return new RelayEnd.Complete();
    }
}
