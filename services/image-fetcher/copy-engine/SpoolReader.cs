using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>One reader's hold on a blob in the spool: it stays until the last of them is disposed of.</summary>
internal sealed class SpoolReader(SpooledBlob blob) : IDisposable
{
    private bool _isDisposed;

    /// <inheritdoc cref="SpooledBlob.Begun"/>
    public Task<long?> Begun => blob.Begun;

    /// <summary>Bytes that have arrived.</summary>
    public long Written => blob.Written;

    /// <inheritdoc cref="SpooledBlob.Checksum"/>
    public BlobChecksum Checksum => blob.Checksum;

    /// <inheritdoc cref="SpooledBlob.Read"/>
    public ValueTask<int> Read(Memory<byte> buffer, long offset, CancellationToken stop) => blob.Read(buffer, offset, stop);

    public void Dispose()
    {
        if (_isDisposed)
            return;
        _isDisposed = true;
        blob.Spool.Leave(blob);
    }
}
