namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// A blob's file by offsets of the blob. It grows, until <see cref="Close"/> makes it a circle: what is written then overwrites what is
/// furthest behind. One writer, any number of readers; which offsets are there is theirs to know.
/// </summary>
internal sealed class CircularFile(SpoolFile file) : IDisposable
{
    private long _capacity = file.MemorySize ?? long.MaxValue;

    /// <summary>In bytes; without a limit while it grows.</summary>
    public long Capacity => Interlocked.Read(ref _capacity);

    public bool IsCircle => Capacity != long.MaxValue;

    /// <summary>It grows no more.</summary>
    /// <param name="capacity">In bytes: as much as has been written, or more that is allocated.</param>
    public void Close(long capacity) => Interlocked.Exchange(ref _capacity, capacity);

    /// <summary>How many of some bytes at an offset can be read at once.</summary>
    public int Contiguous(long offset, int length) => (int)Math.Min(length, Capacity - PositionOf(offset));

    /// <summary>Reads bytes that are contiguous.</summary>
    public ValueTask<int> Read(Memory<byte> buffer, long offset, CancellationToken ct) => file.Read(buffer, PositionOf(offset), ct);

    /// <exception cref="IOException">The disk is full, or cannot be written.</exception>
    public async ValueTask Write(ReadOnlyMemory<byte> bytes, long offset, CancellationToken ct)
    {
        var first = Contiguous(offset, bytes.Length);
        await file.Write(bytes[..first], PositionOf(offset), ct);
        if (first < bytes.Length)
            await file.Write(bytes[first..], 0, ct);
    }

    /// <summary>How many of some bytes are the same as those that the file has at an offset.</summary>
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
