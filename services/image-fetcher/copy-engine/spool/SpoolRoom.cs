namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The room of a spool: bytes taken, in all and by the blobs of each origin host. Used under the spool's lock.</summary>
/// <param name="limit">In bytes.</param>
/// <param name="time">The clock.</param>
internal sealed class SpoolRoom(long limit, TimeProvider time)
{
    /// <summary>The share of the room that the blobs of one host may take together.</summary>
    private const double ShareOfHost = 0.75;

    /// <summary>The unit in which room is taken, in bytes.</summary>
    private const long Piece = 1 << 20;

    /// <summary>How long nothing grows after the disk was full.</summary>
    private static readonly TimeSpan FullDiskPause = TimeSpan.FromSeconds(10);

    private readonly Dictionary<string, long> _byHost = new(StringComparer.OrdinalIgnoreCase);
    private long? _fullSince;
    private long? _diskFullAt;

    public long Used { get; private set; }

    public long Limit => limit;

    /// <summary>How long no blob could grow; null when the last one could.</summary>
    public TimeSpan? FullFor => _fullSince is { } since ? time.GetElapsedTime(since) : null;

    /// <summary>The room that a blob lacks to reach an offset: rounded up, but not beyond its size.</summary>
    public static long Missing(SpooledBlob blob, long end, long? size) =>
        Math.Max(end, Math.Min(blob.Room + Piece, size ?? long.MaxValue)) - blob.Room;

    /// <summary>Takes room unconditionally; a negative number returns some.</summary>
    public void Take(SpooledBlob blob, long bytes)
    {
        blob.Room += bytes;
        Used += bytes;
        var ofHost = _byHost.GetValueOrDefault(blob.Host) + bytes;
        if (ofHost > 0)
            _byHost[blob.Host] = ofHost;
        else
            _byHost.Remove(blob.Host);
    }

    /// <summary>Takes room, if there is enough and the blob's host has not used up its share.</summary>
    public bool TryTake(SpooledBlob blob, long bytes)
    {
        var isPaused = _diskFullAt is { } at && time.GetElapsedTime(at) < FullDiskPause;
        var fits = !isPaused && Used + bytes <= limit && _byHost.GetValueOrDefault(blob.Host) + bytes <= limit * ShareOfHost;
        _fullSince = fits ? null : _fullSince ?? time.GetTimestamp();
        if (fits)
            Take(blob, bytes);
        return fits;
    }

    /// <summary>Notes a full disk, although there is room by the count.</summary>
    public void SawFullDisk() => (_diskFullAt, _fullSince) = (time.GetTimestamp(), _fullSince ?? time.GetTimestamp());
}
