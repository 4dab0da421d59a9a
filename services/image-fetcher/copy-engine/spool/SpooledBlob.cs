using System.IO.Hashing;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// One blob in the spool: what has arrived, and its readers, each at its own pace. A blob that gets no more room goes on in the room that
/// it has, in a circle: it overwrites what all of its readers have read, at the pace of the slowest one, and so never waits for another
/// blob. Its last bytes are handed out only when all of them have been verified: a wrong one ends as a broken transfer, never as a whole.
/// </summary>
internal sealed class SpooledBlob(Spool spool, BlobSource first, string path) : IDisposable
{
    /// <summary>How much is held back until the digest is verified, in bytes.</summary>
    public const int HeldBack = 4096;

    /// <summary>In bytes. Twice as much was no faster (disk and hash take the time) and held 8 MiB more for blobs side by side.</summary>
    public const int ChunkSize = 128 * 1024;

    /// <summary>The room that every blob gets, whatever the spool holds: in bytes.</summary>
    public const int LeastRoom = 2 * ChunkSize;

    /// <summary>How long a reader may stand still while others wait for its room.</summary>
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

    /// <summary>What wanted it first.</summary>
    public BlobSource First => first;

    /// <summary>Where its bytes come from at the moment.</summary>
    public BlobStage Stage { get; set; }

    /// <summary>How many times another replica asked for it and was sent to the origin.</summary>
    public int RefusedPeers => Volatile.Read(ref _refusedPeers);

    /// <summary>Where it comes from.</summary>
    public BlobSources Sources { get; } = new();

    /// <summary>True when the first bytes may be read, false when no source gave any.</summary>
    public Task<bool> HasBegun => _begun.Task;

    /// <summary>In bytes; null when no source says it. Known once <see cref="HasBegun"/>.</summary>
    public long? Size { get; private set; }

    public bool IsComplete { get; private set; }

    public bool HasFailed => _failure is not null;

    /// <summary>Can it be read from the start?</summary>
    public bool IsWhole => Start == 0;

    /// <summary>The first offset that can be read.</summary>
    public long Start => Interlocked.Read(ref _start);

    /// <summary>Of all its bytes, once it is complete.</summary>
    public BlobChecksum Checksum => new(Digest, Written, BlobChecksum.Compute(_checksum));

    /// <summary>Bytes that have arrived.</summary>
    public long Written => Interlocked.Read(ref _written);

    /// <summary>Ends the download; what has arrived stays readable. See <see cref="Spool"/>.</summary>
    internal CancellationTokenSource Stopping { get; } = new();

    /// <summary>Bytes of room. Changed under the spool's lock.</summary>
    internal long Room { get; set; }

    /// <summary>Readers, and the download itself. Changed under the spool's lock.</summary>
    internal int Holders { get; set; }

    /// <summary>The cache has it. Changed under the spool's lock.</summary>
    internal bool IsStored { get; set; }

    /// <summary>Its place among those that make room when it is short. Changed under the spool's lock.</summary>
    internal LinkedListNode<SpooledBlob> Idle => _idle ??= new(this);

    /// <summary>Readers that are other replicas.</summary>
    internal int Peers
    {
        get
        {
            lock (_gate)
                return _readers.Count(reader => reader.IsPeer);
        }
    }

    /// <summary>Another replica is to get it from the origin: this one may get it from there.</summary>
    /// <returns>False when this one is at the origin.</returns>
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

    /// <summary>This replica is to get it from the origin. False when it has sent another one there since it counted those.</summary>
    /// <param name="refused">What <see cref="RefusedPeers"/> was before the others were asked.</param>
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

    internal SpoolReader AddReader(string repository, bool isPeer)
    {
        var reader = new SpoolReader(this, repository, isPeer) { MovedAt = spool.Time.GetTimestamp() };
        lock (_gate)
        {
            reader.Position = _start;   // one that comes late does not hold up the others
            _readers.Add(reader);
        }
        return reader;
    }

    internal void Leave(SpoolReader reader)
    {
        Change(() => _readers.Remove(reader));   // the download may have waited for this reader
        spool.Leave(this);
    }

    internal CopyException FailureOf(string repository) => Sources.FailureOf(repository) ?? _failure!;

    internal async ValueTask<int> Read(SpoolReader reader, Memory<byte> buffer, long offset, CancellationToken ct)
    {
        while (true)
        {
            Task moved;
            int length;
            lock (_gate)
            {
                reader.IsReading = true;
                length = (int)Math.Min(buffer.Length, Available(reader) - offset);
                if (length > 0)
                    Move(reader, offset, ref length);
                else if (_failure is not null)
                    throw reader.FailureOf();
                else if (IsComplete)
                    return 0;
                moved = (_moved ??= NewSignal()).Task;
            }
            if (length > 0)
                return await ReadFile(reader, buffer[..length], offset, ct);
            await moved.WaitAsync(ct);   // one that is canceled here does not read again
        }
    }

    /// <summary>Makes room for the first bytes and lets readers begin. Called again for each source that goes on or begins anew.</summary>
    /// <param name="size">In bytes; null when the source does not say.</param>
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
    /// <exception cref="CopyException">There is no room, and no reader for which to go on.</exception>
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
        catch (IOException) when (_written < file.Capacity)   // what is overwritten is on the disk already
        {
            await WriteToFullDisk(file, bytes, end, ct);
        }
        _checksum.Append(bytes.Span);
        Change(() => Interlocked.Exchange(ref _written, end));
    }

    /// <summary>
    /// Forgets what has arrived, which was wrong; the next source begins at 0. A reader goes on where it is if what it has got is what
    /// comes now, and is cut if it is not.
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

    /// <summary>All bytes have arrived and are what they have to be.</summary>
    internal void Complete()
    {
        Sources.End();
        Change(() => IsComplete = true);
    }

    /// <summary>No source gives the rest.</summary>
    /// <param name="failure">For readers whose own origin has said nothing.</param>
    internal void Fail(CopyException failure)
    {
        Sources.End();
        Change(() => _failure = failure);
        _begun.TrySetResult(false);
    }

    /// <summary>Cuts readers that have stood still for long, when room is short.</summary>
    internal void CutStalled() => CutReaders(
        reader => !reader.IsReading && spool.Time.GetElapsedTime(reader.MovedAt) >= ReaderPatience,
        $"blob {Digest}: a reader stood still for {ReaderPatience.TotalSeconds:0} s while the spool was full");

    /// <summary>Cuts all readers: the process ends.</summary>
    internal void CutAll() => CutReaders(_ => true, $"blob {Digest}: image-fetcher is stopping");

    /// <summary>Gives up the file. May take long: never call it under a lock.</summary>
    public void Dispose() => _file?.Dispose();

    private long Available(SpoolReader reader) => reader.Cut is { } cut ? throw cut
        : IsComplete ? _written : Math.Max(0, _written - reader.HeldBack);

    private void Move(SpoolReader reader, long offset, ref int length)
    {
        if (offset < Start)
            throw new CopyException(
                CopyException.Cache, $"blob {Digest} has left the spool up to byte {Start}, and {offset} was asked for", retryHelps: true);
        length = _file!.Contiguous(offset, length);
        (reader.Position, reader.End) = (offset, Math.Max(reader.End, offset + length));
    }

    private async ValueTask<int> ReadFile(SpoolReader reader, Memory<byte> buffer, long offset, CancellationToken ct)
    {
        var got = await _file!.Read(buffer, offset, ct);
        TaskCompletionSource? moved;
        lock (_gate)
        {
            if (reader.Cut is { } cut)
                throw cut;   // perhaps overwritten while it was read
            reader.Position = offset + got;
            reader.MovedAt = spool.Time.GetTimestamp();
            reader.IsReading = false;
            moved = _file.IsCircle ? _moved : null;
            if (moved is not null)
                _moved = null;
        }
        moved?.SetResult();
        return got;
    }

    /// <summary>In a circle: waits until every reader has read what is to be overwritten.</summary>
    private async Task WaitForReaders(CircularFile file, long end, CancellationToken ct)
    {
        while (true)
        {
            Task moved;
            lock (_gate)
            {
                var start = end - file.Capacity;
                if (start <= _start)
                    return;
                var readers = _readers.Where(reader => reader.Cut is null).ToList();
                if (readers.Count == 0)
                    throw new CopyException(
                        CopyException.Cache, $"blob {Digest} does not fit into the spool, and has no reader left", retryHelps: true);
                if (readers.Min(reader => reader.Position) >= start)
                {
                    Interlocked.Exchange(ref _start, start);
                    return;
                }
                moved = (_moved ??= NewSignal()).Task;
            }
            try
            {
                await moved.WaitAsync(ReaderPatience, spool.Time, ct);
            }
            catch (TimeoutException)
            {
                CutStalled();
            }
        }
    }

    /// <summary>The disk takes no more: idle blobs go; if that is not enough, this one goes on in the room that it has.</summary>
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
                // There is still not enough.
            }
        file.Close(Math.Max(Math.Min(Room, LeastRoom), _written));
        spool.Take(this, file.Capacity - Room);
        await WaitForReaders(file, end, ct);
        await file.Write(bytes, _written, ct);
    }

    /// <summary>After a restart: are these the bytes that readers have got?</summary>
    private async ValueTask Compare(CircularFile file, ReadOnlyMemory<byte> bytes, CancellationToken ct)
    {
        var length = (int)Math.Min(bytes.Length, _compareUntil - _written);
        if (length <= 0)
            return;
        var same = await file.CommonPrefix(bytes[..length], _written, ct);
        if (same == length)
            return;
        _compareUntil = 0;
        CutReaders(reader => reader.End > _written + same, $"blob {Digest}: the origin sent something else");
    }

    private void CutReaders(Func<SpoolReader, bool> which, string why) => Change(() =>
    {
        foreach (var reader in _readers.Where(which))
            reader.Cut ??= new CopyException(CopyException.Broken, why, retryHelps: true);
    });

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
