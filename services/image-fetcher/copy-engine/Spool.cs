using Kuik.Hosting;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// The folder of blobs under way. Each is downloaded once at a time, into a file from which everybody who wants it reads at their own pace.
/// What is complete and not (yet) in the cache stays until its room is needed, so that a cache that refuses does not send each pull to the origin.
/// </summary>
internal sealed class Spool : IDisposable
{
    private const string LockName = "lock";

    private readonly Lock _gate = new();
    private readonly Dictionary<string, SpooledBlob> _blobs = [];
    private readonly Queue<SpooledBlob> _idle = new();
    private readonly string _folder;
    private readonly FileStream _lock;
    private readonly long _limit;
    private readonly CancellationToken _stopping;
    private TaskCompletionSource _roomMade = NewSignal();
    private long _used;
    private long _names;

    /// <summary>Takes a folder of its own, and deletes those of processes that are gone.</summary>
    /// <exception cref="WrongSetting">The folder cannot be used.</exception>
    public Spool(string path, long limitInBytes, TimeProvider time, CancellationToken stopping)
    {
        (_limit, _stopping, Time) = (limitInBytes, stopping, time);
        try
        {
            Directory.CreateDirectory(path);
            DeleteLeftovers(path);
            _folder = Directory.CreateDirectory(Path.Combine(path, $"{Environment.ProcessId}-{Guid.NewGuid():n}")).FullName;
            _lock = new FileStream(Path.Combine(_folder, LockName), FileMode.Create, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new WrongSetting("Kuik:Fetch:SpoolPath", path, $"a folder that can be written ({e.Message})");
        }
    }

    internal TimeProvider Time { get; }

    /// <summary>The blob, if it is here or on its way: the caller holds it until it disposes of the reader.</summary>
    public SpoolReader? Find(string digest)
    {
        lock (_gate)
            return _blobs.TryGetValue(digest, out var blob) ? Hold(blob) : null;
    }

    /// <summary>The blob; its download begins if it is neither here nor on its way.</summary>
    /// <param name="source">Where it comes from.</param>
    public SpoolReader Join(BlobSource source)
    {
        lock (_gate)
        {
            if (!_blobs.TryGetValue(source.Digest, out var blob) || blob.HasFailed)   // a failed one leaves in a moment
            {
                blob = _blobs[source.Digest] = new SpooledBlob(this, source, Path.Combine(_folder, $"{_names++}"));
                Hold(blob);   // the download's own
                _ = Task.Run(() => Download(blob), CancellationToken.None);
            }
            return Hold(blob);
        }
    }

    /// <summary>The cache has the blob now: it leaves when its last reader does.</summary>
    public void Stored(string digest)
    {
        lock (_gate)
            if (_blobs.TryGetValue(digest, out var blob))
            {
                blob.IsStored = true;
                if (blob.Holders == 0)
                    Remove(blob);
            }
    }

    /// <summary>Waits until so many more bytes fit; what nobody reads makes room.</summary>
    /// <exception cref="CopyFailed">They never will.</exception>
    internal async Task Reserve(long bytes, CancellationToken stop)
    {
        if (bytes > _limit)
            throw new CopyFailed(CopyFailed.Cache, $"a blob of {bytes} bytes does not fit into the spool (Kuik:Fetch:SpoolLimit is {_limit})", retryHelps: false);
        while (true)
        {
            Task room;
            lock (_gate)
            {
                while (_used + bytes > _limit && _idle.TryDequeue(out var idle))
                {
                    idle.IsIdle = false;
                    if (idle.Holders == 0)
                        Remove(idle);
                }
                if (_used + bytes <= _limit)
                {
                    _used += bytes;
                    return;
                }
                room = _roomMade.Task;
            }
            await room.WaitAsync(stop);
        }
    }

    internal void Leave(SpooledBlob blob)
    {
        lock (_gate)
        {
            if (--blob.Holders > 0)
                return;
            if (blob.IsStored || !blob.IsComplete)
                Remove(blob);
            else if (!blob.IsIdle)
                _idle.Enqueue(blob);
            blob.IsIdle = !blob.IsStored && blob.IsComplete;
        }
    }

    public void Dispose()
    {
        lock (_gate)
            foreach (var blob in _blobs.Values.ToList())
                Remove(blob);
        _lock.Dispose();
        if (Directory.Exists(_folder))
            Directory.Delete(_folder, recursive: true);
    }

    private async Task Download(SpooledBlob blob)
    {
        try
        {
            await blob.Download(_stopping);
        }
        finally
        {
            if (!blob.IsComplete)
                lock (_gate)
                    if (_blobs.TryGetValue(blob.Source.Digest, out var current) && current == blob)
                        _blobs.Remove(blob.Source.Digest);   // the next one who wants it tries anew
            Leave(blob);
        }
    }

    private static SpoolReader Hold(SpooledBlob blob)
    {
        blob.Holders++;
        return new SpoolReader(blob);
    }

    private void Remove(SpooledBlob blob)
    {
        if (_blobs.TryGetValue(blob.Source.Digest, out var current) && current == blob)
            _blobs.Remove(blob.Source.Digest);
        _used -= blob.Discard();
        _roomMade.TrySetResult();
        _roomMade = NewSignal();
    }

    private static void DeleteLeftovers(string path)
    {
        foreach (var folder in Directory.GetDirectories(path))
        {
            var claim = Path.Combine(folder, LockName);
            try
            {
                if (!File.Exists(claim))
                    continue;   // not one of ours, or one that is being made
                using (new FileStream(claim, FileMode.Open, FileAccess.ReadWrite, FileShare.None))
                    Directory.Delete(folder, recursive: true);
            }
            catch (IOException)
            {
                // Its process lives (or another one is deleting it).
            }
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
