using System.IO.Hashing;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// A blob in the spool: the bytes that have arrived, and its readers, each at its own pace. A blob that gets no more room continues in the
/// room it has, as a circular buffer: it overwrites the bytes that all of its readers have read, at the pace of the slowest one, and so
/// never waits for another blob. Its last bytes are returned only when everything has been verified: a wrong blob ends as a broken
/// transfer, never as a complete one.
/// </summary>
internal sealed partial class SpooledBlob(Spool spool, BlobSource first, string path) : IDisposable
{
    /// <summary>The number of bytes withheld until the digest is verified.</summary>
    public const int HeldBack = 4096;

    /// <summary>In bytes. Twice as much was no faster (disk and hash take the time) and held 8 MiB more for blobs side by side.</summary>
    public const int ChunkSize = 128 * 1024;

    /// <summary>The minimum room of every blob, in bytes, however full the spool is.</summary>
    public const int LeastRoom = 2 * ChunkSize;

    /// <summary>How long a reader may make no progress while others wait for its room.</summary>
    private static readonly TimeSpan ReaderPatience = TimeSpan.FromSeconds(30);

    private readonly Lock _gate = new();
    private readonly XxHash128 _checksum = new();
    private readonly TaskCompletionSource<bool> _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<SpoolReader> _readers = [];
    private LinkedListNode<SpooledBlob>? _idle;
    private CircularFile? _file;
    private TaskCompletionSource? _moved;
    private CopyException? _failure;
    private long _written;
    private long _start;
    private long _compareUntil;
    private int _refusedPeers;

    public string Digest => first.Digest;

    public string Host => first.Host;

    /// <summary>The source that it was first requested from.</summary>
    public BlobSource First => first;

    /// <summary>The current stage of its download.</summary>
    public BlobStage Stage { get; set; }

    /// <summary>How many times another replica asked for it and was sent to the origin.</summary>
    public int RefusedPeers => Volatile.Read(ref _refusedPeers);

    /// <summary>The sources of the download.</summary>
    public BlobSources Sources { get; } = new();

    /// <summary>True when the first bytes may be read, false when no source sent any.</summary>
    public Task<bool> HasBegun => _begun.Task;

    /// <summary>In bytes; null when no source states it. Known once <see cref="HasBegun"/>.</summary>
    public long? Size { get; private set; }

    public bool IsComplete { get; private set; }

    public bool HasFailed => _failure is not null;

    /// <summary>True while it can be read from the start.</summary>
    public bool IsWhole => Start == 0;

    /// <summary>The first offset that can be read.</summary>
    public long Start => Interlocked.Read(ref _start);

    /// <summary>The checksum of all bytes, once the blob is complete.</summary>
    public BlobChecksum Checksum => new(Digest, Written, BlobChecksum.Compute(_checksum));

    /// <summary>Bytes that have arrived.</summary>
    public long Written => Interlocked.Read(ref _written);

    /// <summary>Cancels the download; the bytes that have arrived stay readable. See <see cref="Spool"/>.</summary>
    internal CancellationTokenSource Stopping { get; } = new();

    /// <summary>Bytes of room. Changed under the spool's lock.</summary>
    internal long Room { get; set; }

    /// <summary>The number of readers, plus the download itself. Changed under the spool's lock.</summary>
    internal int Holders { get; set; }

    /// <summary>True when the cache has it. Changed under the spool's lock.</summary>
    internal bool IsStored { get; set; }

    /// <summary>Its node in the list of blobs that are removed when room is short. Changed under the spool's lock.</summary>
    internal LinkedListNode<SpooledBlob> Idle => _idle ??= new(this);

    /// <summary>The number of readers that are other replicas.</summary>
    internal int Peers
    {
        get
        {
            lock (_gate)
                return _readers.Count(reader => reader.IsPeer);
        }
    }

    /// <summary>Sends another replica to the origin; this one may read the blob from there.</summary>
    /// <returns>False when this replica is downloading from the origin.</returns>
    internal bool TryRefusePeer()
    {
        lock (_gate)
        {
            if (Stage == BlobStage.AtOrigin)
                return false;
            _refusedPeers++;
            return true;
        }
    }

    /// <summary>Sends this replica to the origin. False when it has sent another one there since it counted those.</summary>
    /// <param name="refused">The value of <see cref="RefusedPeers"/> before the others were asked.</param>
    internal bool TryGoToOrigin(int refused)
    {
        lock (_gate)
        {
            if (_refusedPeers != refused)
                return false;
            Stage = BlobStage.AtOrigin;
            return true;
        }
    }

    /// <summary>Takes room for the first bytes and lets readers begin. Called again for each source that continues or restarts.</summary>
    /// <param name="size">In bytes; null when the source does not state it.</param>
    internal void Begin(long? size)
    {
        if (_file is null)
            _file = new CircularFile(spool.CreateFile(path, (int)Math.Min(size ?? LeastRoom, LeastRoom)));
        else if (size != Size)
            CutReaders(_ => true, $"blob {Digest} has another size at another source");
        if (Room < LeastRoom && (size ?? LeastRoom) > Room)
            spool.Take(this, Math.Min(size ?? LeastRoom, LeastRoom) - Room);
        Size = size;
        _begun.TrySetResult(true);
    }

    /// <summary>Adds bytes at the end.</summary>
    /// <exception cref="CopyException">There is no room, and no reader to continue for.</exception>
    internal async ValueTask Append(ReadOnlyMemory<byte> bytes, CancellationToken ct)
    {
        var (file, end) = (_file!, _written + bytes.Length);
        if (!file.IsCircle && end > Room && !spool.TryGrow(this, end, Size))
            file.Close(Room);
        await WaitForReaders(file, end, ct);
        await Compare(file, bytes, ct);
        try
        {
            await file.Write(bytes, _written, ct);
        }
        catch (IOException) when (_written < file.Capacity)   // the bytes that are overwritten are allocated already
        {
            await WriteToFullDisk(file, bytes, end, ct);
        }
        _checksum.Append(bytes.Span);
        Change(() => Interlocked.Exchange(ref _written, end));
    }

    /// <summary>
    /// Discards the bytes that have arrived, which were wrong; the next source begins at 0. A reader continues if the new bytes equal those
    /// it has got, and fails if they do not.
    /// </summary>
    internal void Restart()
    {
        if (_file!.IsCircle)
            CutReaders(reader => reader.End > 0, $"blob {Digest}: the origin sent something else");
        Change(() =>
        {
            _compareUntil = _file.IsCircle ? 0 : _readers.Select(reader => reader.End).DefaultIfEmpty().Max();
            Interlocked.Exchange(ref _written, 0);
            Interlocked.Exchange(ref _start, 0);
            _checksum.Reset();
        });
    }

    /// <summary>Marks the blob as complete and verified.</summary>
    internal void Complete()
    {
        Sources.End();
        Change(() => IsComplete = true);
    }

    /// <summary>Fails the blob: no source serves the rest.</summary>
    /// <param name="failure">For readers whose own origin reported no failure.</param>
    internal void Fail(CopyException failure)
    {
        Sources.End();
        Change(() => _failure = failure);
        _begun.TrySetResult(false);
    }

    /// <summary>Releases the file. May take long: never call it under a lock.</summary>
    public void Dispose() => _file?.Dispose();

    /// <summary>Handles a full disk: removes idle blobs; if that is not enough, the blob continues in the room it has.</summary>
    private async Task WriteToFullDisk(CircularFile file, ReadOnlyMemory<byte> bytes, long end, CancellationToken ct)
    {
        if (spool.SawFullDisk())
            try
            {
                await file.Write(bytes, _written, ct);
                return;
            }
            catch (IOException)
            {
                // There is still not enough room.
            }
        file.Close(Math.Max(Math.Min(Room, LeastRoom), _written));
        spool.Take(this, file.Capacity - Room);
        await WaitForReaders(file, end, ct);
        await file.Write(bytes, _written, ct);
    }

    private void Change(Action change)
    {
        TaskCompletionSource? moved;
        lock (_gate)
        {
            change();
            (moved, _moved) = (_moved, null);
        }
        moved?.SetResult();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
