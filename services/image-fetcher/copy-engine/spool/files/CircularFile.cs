namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// A blob's file, addressed by offsets of the blob. It grows until <see cref="Close"/> makes it circular: later writes overwrite the oldest
/// bytes. One writer, any number of readers; the callers know which offsets are valid.
/// </summary>
internal sealed class CircularFile(SpoolFile file) : IDisposable
{
    private long _capacity = file.MemorySize ?? long.MaxValue;

    /// <summary>In bytes; unlimited while the file grows.</summary>
    public long Capacity => Interlocked.Read(ref _capacity);

    public bool IsCircle => Capacity != long.MaxValue;

    /// <summary>Stops the growth.</summary>
    /// <param name="capacity">In bytes: as much as has been written, or more that is allocated.</param>
    public void Close(long capacity) => Interlocked.Exchange(ref _capacity, capacity);

    /// <summary>The number of bytes at an offset that can be read at once.</summary>
    public int Contiguous(long offset, int length) => (int)Math.Min(length, Capacity - PositionOf(offset));

    /// <summary>Reads bytes that are contiguous.</summary>
    public ValueTask<int> Read(Memory<byte> buffer, long offset, CancellationToken ct) => file.Read(buffer, PositionOf(offset), ct);

    /// <summary>Writes bytes at an offset.</summary>
    /// <exception cref="IOException">The disk is full, or cannot be written.</exception>
    public async ValueTask Write(ReadOnlyMemory<byte> bytes, long offset, CancellationToken ct)
    {
        var first = Contiguous(offset, bytes.Length);
        await file.Write(bytes[..first], PositionOf(offset), ct);
        if (first < bytes.Length)
            await file.Write(bytes[first..], 0, ct);
    }

    /// <summary>The number of leading bytes that equal those of the file at an offset.</summary>
    public async ValueTask<int> CommonPrefix(ReadOnlyMemory<byte> bytes, long offset, CancellationToken ct)
    {
        var before = new byte[bytes.Length];
        for (int at = 0, got; at < before.Length; at += got)
            if ((got = await Read(before.AsMemory(at), offset + at, ct)) == 0)
                break;
        return bytes.Span.CommonPrefixLength(before);
    }

    /// <inheritdoc cref="SpoolFile.Dispose"/>
    public void Dispose() => file.Dispose();

    private long PositionOf(long offset) => IsCircle ? offset % Capacity : offset;
}
