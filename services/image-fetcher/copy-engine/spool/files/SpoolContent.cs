using System.Buffers;
using System.Net;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The body of an upload: a blob in the spool from its first byte, sent while it arrives.</summary>
/// <param name="blob">Held by the caller.</param>
/// <param name="size">Null when the origin did not state it.</param>
/// <param name="sent">Completed when everything has been sent.</param>
internal sealed class SpoolContent(SpoolReader blob, long? size, TaskCompletionSource sent) : HttpContent
{
    /// <summary>How long a registry may accept no bytes before it counts as stalled.</summary>
    private static readonly TimeSpan Stall = TimeSpan.FromSeconds(60);

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var buffer = ArrayPool<byte>.Shared.Rent(SpooledBlob.ChunkSize);
        try
        {
            int got;
            for (var offset = 0L; (got =
                await blob.Read(buffer.AsMemory(0, SpooledBlob.ChunkSize), offset, cancellationToken)) > 0; offset += got)
            {
                limit.CancelAfter(Stall);
                await stream.WriteAsync(buffer.AsMemory(0, got), limit.Token);
                limit.CancelAfter(Timeout.InfiniteTimeSpan);
            }
            sent.TrySetResult();
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new CopyException(CopyException.Cache, $"the cache registry took no bytes for {Stall.TotalSeconds:0} s", retryHelps: true,
                inner: e);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    protected override bool TryComputeLength(out long length)
    {
        length = size ?? 0;
        return size is not null;
    }
}
