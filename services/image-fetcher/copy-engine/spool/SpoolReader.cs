using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>A reader of a blob in the spool; the blob stays until its last reader is disposed. Not thread-safe.</summary>
/// <param name="blob">The blob.</param>
/// <param name="repository">The repository whose origin's failure this reader gets.</param>
/// <param name="isPeer">True for another replica, which verifies the digest itself: it gets each byte at once, including the last ones
/// before they are verified here.</param>
internal sealed class SpoolReader(SpooledBlob blob, string repository, bool isPeer) : IDisposable
{
    private Task<long?>? _begun;
    private bool _isDisposed;

    /// <summary>
    /// The size in bytes, once the blob has begun to arrive; null when no source states it. Fails with <see cref="CopyException"/> when no
    /// source serves the blob.
    /// </summary>
    public Task<long?> Begun => _begun ??= WaitForBegin();

    /// <summary>Bytes that have arrived.</summary>
    public long Written => blob.Written;

    /// <summary>The first offset that can still be read. Above 0 for a blob larger than its room in the spool.</summary>
    public long Start => blob.Start;

    /// <inheritdoc cref="SpooledBlob.IsComplete"/>
    public bool IsComplete => blob.IsComplete;

    /// <inheritdoc cref="SpooledBlob.TryRefusePeer"/>
    public bool TryRefusePeer() => blob.TryRefusePeer();

    /// <inheritdoc cref="SpooledBlob.Checksum"/>
    public BlobChecksum Checksum => blob.Checksum;

    /// <summary>Bytes that are withheld from this reader until the digest has been verified.</summary>
    internal int HeldBack => isPeer ? 0 : SpooledBlob.HeldBack;

    internal bool IsPeer => isPeer;

    /// <summary>The offset up to which everything has been read, and is not read again. Changed under the blob's lock.</summary>
    internal long Position { get; set; }

    /// <summary>The offset up to which everything has been returned, or is being read. Changed under the blob's lock.</summary>
    internal long End { get; set; }

    /// <summary>True while it waits for bytes, or reads them. Changed under the blob's lock.</summary>
    internal bool IsReading { get; set; }

    /// <summary>The time of its last bytes, as a timestamp of the spool's clock. Changed under the blob's lock.</summary>
    internal long MovedAt { get; set; }

    /// <summary>The failure that ends this reader; null while it may read. Changed under the blob's lock.</summary>
    internal CopyException? Cut { get; set; }

    /// <summary>Reads bytes at an offset, waiting for them; 0 at the end. Offsets must not decrease.</summary>
    /// <exception cref="CopyException">No source served the blob, or this reader was too slow.</exception>
    public ValueTask<int> Read(Memory<byte> buffer, long offset, CancellationToken ct) => blob.Read(this, buffer, offset, ct);

    public void Dispose()
    {
        if (_isDisposed)
            return;
        _isDisposed = true;
        blob.Leave(this);
    }

    /// <summary>The blob's failure, as this reader gets it.</summary>
    internal CopyException FailureOf() => blob.FailureOf(repository);

    private async Task<long?> WaitForBegin() => await blob.HasBegun ? blob.Size : throw FailureOf();
}
