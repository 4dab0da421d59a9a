using Kuik.Hosting;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// The folder of blobs that are being downloaded. Each is downloaded once at a time, into a file from which all readers read at their own
/// pace. Room is counted in bytes that have arrived, first come, first served, and one host never has all of it; a blob that gets no more
/// room continues in the room it has (see <see cref="SpooledBlob"/>), so that no blob waits for another one. A complete blob that is not
/// (yet) in the cache stays until its room is needed, so that a cache that refuses writes does not send each pull to the origin.
/// </summary>
internal sealed partial class Spool : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, SpooledBlob> _blobs = [];
    private readonly LinkedList<SpooledBlob> _idle = new();
    private readonly SpoolFolder _folder;
    private readonly SpoolRoom _room;
    private readonly long _largestBlob;
    private readonly EngineMetrics _metrics;
    private readonly WorkWatchdog _watchdog;
    private readonly CancellationToken _stopping;
    private long _names;

    /// <summary>Creates a folder of its own, and deletes those of processes that are gone.</summary>
    /// <param name="path">Created if it does not exist.</param>
    /// <param name="limitInBytes">Every blob gets <see cref="SpooledBlob.LeastRoom"/> beyond it.</param>
    /// <param name="largestBlob">In bytes: a longer blob fails, if no manifest states its size.</param>
    /// <param name="metrics">Gets the spool's gauges.</param>
    /// <param name="watchdog">Watches downloads.</param>
    /// <param name="time">The clock.</param>
    /// <param name="stopping">Cancels all downloads.</param>
    /// <exception cref="InvalidSettingException">The folder cannot be used.</exception>
    public Spool(
        string path, long limitInBytes, long largestBlob, EngineMetrics metrics, WorkWatchdog watchdog, TimeProvider time,
        CancellationToken stopping)
    {
        (_largestBlob, _metrics, _watchdog, _stopping, Time) = (largestBlob, metrics, watchdog, stopping, time);
        _room = new SpoolRoom(limitInBytes, time);
        _folder = new SpoolFolder(path);
        metrics.Watch(this);
    }

    internal TimeProvider Time { get; }

    /// <summary>The current use of the spool.</summary>
    internal SpoolUse Use
    {
        get
        {
            lock (_gate)
                return new SpoolUse(_room.Used, _room.Limit, _blobs.Count, _room.FullFor);
        }
    }

    /// <summary>The blob, if it is here, complete or not: the caller holds it until it disposes of the reader.</summary>
    /// <param name="digest">The blob's digest.</param>
    /// <param name="source">One more source of the blob; null for none.</param>
    /// <param name="isPeer">The reader is another replica.</param>
    public SpoolReader? Find(string digest, BlobSource? source = null, bool isPeer = false)
    {
        lock (_gate)
        {
            if (!_blobs.TryGetValue(digest, out var blob) || blob.HasFailed)
                return null;
            if (source is not null)
                blob.Sources.TryAdd(source);
            return Hold(blob, source?.Repository ?? "", isPeer);
        }
    }

    /// <summary>The blob; its download begins if the blob is not here, and gets one more source if it is.</summary>
    public SpoolReader Join(BlobSource source)
    {
        lock (_gate)
        {
            if (_blobs.TryGetValue(source.Digest, out var blob) && (blob.IsComplete || blob.Sources.TryAdd(source)))
                return Hold(blob, source.Repository, isPeer: false);

            // A failed one is removed in a moment.
            _blobs[source.Digest] = blob = new SpooledBlob(this, source, _folder.NameOf(_names++));
            blob.Sources.TryAdd(source);
            blob.Holders++;   // the download's own
            _ = Task.Run(() => Download(blob, source), CancellationToken.None);
            return Hold(blob, source.Repository, isPeer: false);
        }
    }

    /// <summary>Bytes of a blob that have arrived; 0 when it is not here.</summary>
    public long WrittenOf(string digest)
    {
        lock (_gate)
            return _blobs.TryGetValue(digest, out var blob) ? blob.Written : 0;
    }

    /// <summary>Adds a source to a blob that is being downloaded.</summary>
    public void AddSource(BlobSource source)
    {
        lock (_gate)
            if (_blobs.TryGetValue(source.Digest, out var blob))
                blob.Sources.TryAdd(source);
    }

    /// <summary>Notes that the cache has the blob: it is removed with its last reader.</summary>
    public void Stored(string digest)
    {
        SpooledBlob? removed = null;
        lock (_gate)
            if (_blobs.TryGetValue(digest, out var blob))
            {
                blob.IsStored = true;
                if (blob.Holders == 0)
                    removed = Remove(blob);
            }
        removed?.Dispose();
    }

    /// <summary>Blobs that the cache does not have and that still have readers.</summary>
    public IReadOnlyList<SpooledBlob> Unfinished
    {
        get
        {
            lock (_gate)
                return [.. _blobs.Values.Where(blob => blob is { IsStored: false, HasFailed: false, Holders: > 0 })];
        }
    }

    /// <summary>Fails all readers, for shutdown.</summary>
    public void CutAll()
    {
        List<SpooledBlob> all;
        lock (_gate)
            all = [.. _blobs.Values];
        all.ForEach(blob => blob.CutAll());
    }

    public void Dispose()
    {
        List<SpooledBlob> left;
        lock (_gate)
            left = [.. _blobs.Values.ToList().Select(Remove)];
        foreach (var blob in left)
            blob.Dispose();
        _folder.Dispose();
    }

    internal void Leave(SpooledBlob blob)
    {
        SpooledBlob? removed = null;
        lock (_gate)
        {
            if (--blob.Holders > 0)
                return;
            if (blob.IsStored || !blob.IsComplete || !blob.IsWhole)
                removed = Remove(blob);
            else
                _idle.AddLast(blob.Idle);
        }
        removed?.Dispose();
    }

    private void CutStalled()
    {
        List<SpooledBlob> stored;
        lock (_gate)
            stored = [.. _blobs.Values.Where(blob => blob.IsStored)];   // their readers continue in the cache
        stored.ForEach(blob => blob.CutStalled());
    }

    private async Task Download(SpooledBlob blob, BlobSource source)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(_stopping, blob.Stopping.Token);
        try
        {
            await new BlobDownload(blob, _largestBlob, _metrics, _watchdog, Time, ending.Token).Download(source);
        }
        finally
        {
            if (!blob.IsComplete)
                lock (_gate)
                    if (_blobs.TryGetValue(blob.Digest, out var current) && current == blob)
                        _blobs.Remove(blob.Digest);   // the next reader starts a new download
            Leave(blob);
        }
    }

    private static SpoolReader Hold(SpooledBlob blob, string repository, bool isPeer)
    {
        blob.Holders++;
        blob.Idle.List?.Remove(blob.Idle);
        return blob.AddReader(repository, isPeer);
    }

    private SpooledBlob Remove(SpooledBlob blob)
    {
        if (_blobs.TryGetValue(blob.Digest, out var current) && current == blob)
            _blobs.Remove(blob.Digest);
        blob.Idle.List?.Remove(blob.Idle);
        _room.Take(blob, -blob.Room);
        return blob;
    }
}
