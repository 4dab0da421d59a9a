using System.Buffers;
using System.IO.Hashing;
using System.Net;
using Kuik.Oci;
using Microsoft.Win32.SafeHandles;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>Where a blob comes from.</summary>
/// <param name="Digest">What its bytes have to have.</param>
/// <param name="SizeInBytes">What a manifest says; null when nothing has said it yet.</param>
/// <param name="Open">Begins to get it, from an offset. Called again to go on after a break.</param>
internal sealed record BlobSource(string Digest, long? SizeInBytes, Func<long, CancellationToken, Task<BlobBody>> Open);

/// <summary>
/// One blob in the spool. Its last bytes are handed out only when all of them have been verified: a wrong one ends for every reader as
/// a broken transfer, never as a whole.
/// </summary>
internal sealed class SpooledBlob(Spool spool, BlobSource source, string path)
{
    /// <summary>How much is held back until the digest is known to be right, in bytes.</summary>
    public const int HeldBack = 4096;

    /// <summary>In bytes. Twice as much was no faster (disk and hash are what takes time) and held 8 MiB more for blobs that come side by side.</summary>
    public const int ChunkSize = 128 * 1024;

    /// <summary>Breaks that are gone on after, unless so many bytes came in between: a line that drops once in a gigabyte still brings a large blob.</summary>
    private const int MostBreaks = 4;
    private const int Progress = 1 << 20;

    /// <summary>How long what has arrived waits for an origin that asks for a pause. Longer ones are left to the next try of the whole blob.</summary>
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly XxHash128 _checksum = new();
    private readonly TaskCompletionSource<long?> _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private SafeFileHandle? _file;
    private TaskCompletionSource? _moved;
    private CopyFailed? _failure;
    private long _written;
    private long _reserved;

    public BlobSource Source => source;

    /// <summary>The size, when the origin has begun to send; null when it does not say. Fails with <see cref="CopyFailed"/> when it does not begin.</summary>
    public Task<long?> Begun => _begun.Task;

    public bool IsComplete { get; private set; }
    public bool HasFailed => _failure is not null;

    /// <summary>Of all its bytes, once it is complete.</summary>
    public BlobChecksum Checksum => new(source.Digest, Written, BlobChecksum.Of(_checksum));

    /// <summary>Bytes that have arrived.</summary>
    public long Written => Interlocked.Read(ref _written);

    /// <summary>Readers, and the download itself. Changed under the spool's lock.</summary>
    internal int Holders { get; set; }

    /// <summary>The cache has it. Changed under the spool's lock.</summary>
    internal bool IsStored { get; set; }

    /// <summary>It is among those that may make room. Changed under the spool's lock.</summary>
    internal bool IsIdle { get; set; }

    internal Spool Spool => spool;

    /// <summary>Reads what has arrived at an offset, waiting for it; 0 at the end.</summary>
    /// <exception cref="CopyFailed">The download failed.</exception>
    public async ValueTask<int> Read(Memory<byte> buffer, long offset, CancellationToken stop)
    {
        while (true)
        {
            Task moved;
            long available;
            lock (_gate)
            {
                available = IsComplete ? _written : Math.Max(0, _written - HeldBack);
                if (available <= offset)
                {
                    if (_failure is not null)
                        throw _failure;
                    if (IsComplete)
                        return 0;
                }
                moved = (_moved ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }
            if (available > offset)
                return await RandomAccess.ReadAsync(_file!, buffer[..(int)Math.Min(buffer.Length, available - offset)], offset, stop);
            await moved.WaitAsync(stop);
        }
    }

    /// <summary>Gets the whole blob, going on after breaks where that can help. Never throws: the failure is its readers'.</summary>
    internal async Task Download(CancellationToken stop)
    {
        try
        {
            using var hash = Digest.Begin(source.Digest);
            var breaks = 0;
            for (var before = 0L; !await Receive(hash, breaks, stop); before = _written)
            {
                breaks = _written - before >= Progress ? 1 : breaks + 1;
                if (breaks > MostBreaks)
                    throw Broken($"broke off {breaks} times with next to nothing in between, the last time after {_written} bytes");
            }
            if (source.SizeInBytes is { } size && size != _written)
                throw Broken($"has {_written} bytes, not {size}");
            var digest = Digest.End(hash);
            if (digest != source.Digest)
                throw Broken($"has the digest {digest}: the origin sent something else");
            End(failure: null);
        }
        catch (CopyFailed e)
        {
            End(e);
        }
        catch (OperationCanceledException)
        {
            End(new CopyFailed(CopyFailed.Unreachable, $"blob {source.Digest}: image-fetcher is stopping", retryHelps: true));
        }
        catch (Exception e)   // whatever it is: readers would wait for ever otherwise
        {
            var problem = $"blob {source.Digest} could not be written to the spool: {e.Message}";
            var isDisk = e is IOException or UnauthorizedAccessException;
            End(isDisk ? new CopyFailed(CopyFailed.Cache, problem, retryHelps: true, inner: e) : CopyFailed.Unforeseen(e));
        }
    }

    /// <summary>Gives up the file and says how much room that makes.</summary>
    internal long Discard()
    {
        if (_file is not null)
        {
            _file.Dispose();
            File.Delete(path);
        }
        var room = _reserved;
        _reserved = 0;
        return room;
    }

    /// <summary>One answer of the origin, from where the last one broke off; false when it broke off too and going on may help.</summary>
    private async Task<bool> Receive(System.Security.Cryptography.IncrementalHash hash, int breaks, CancellationToken stop)
    {
        // 1. The head. A registry that cannot send a part sends it all: what is here already is skipped.
        var before = _written;
        if (await Open(before, breaks, stop) is not { } body)
            return false;
        await using var opened = body;
        var skip = before > 0 && body.Range?.From != before ? before : 0;
        var size = body.Length + before - skip;
        if (size is not null && source.SizeInBytes is { } expected && size != expected)
            throw Broken($"is said to have {size} bytes by the origin, and {expected} by the manifest");
        if (!Begun.IsCompleted)
            await Begin(size, stop);

        // 2. The body.
        var buffer = ArrayPool<byte>.Shared.Rent(ChunkSize);
        try
        {
            int got;
            while ((got = await body.Body.ReadAsync(buffer.AsMemory(0, ChunkSize), stop)) > 0)
            {
                var skipped = (int)Math.Min(skip, got);
                skip -= skipped;
                if (got > skipped)
                    await Append(buffer.AsMemory(skipped, got - skipped), hash, stop);
            }
        }
        catch (RegistryError e) when (e.IsTransient && _written > 0)
        {
            return false;
        }
        catch (RegistryError e)
        {
            throw CopyFailed.AtOrigin(e);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        return true;
    }

    /// <summary>Null when an origin that has sent a part does not go on now and may after the pause that has been made.</summary>
    private async Task<BlobBody?> Open(long from, int breaks, CancellationToken stop)
    {
        try
        {
            return await source.Open(from, stop);
        }
        catch (CopyFailed e) when (from > 0 && e.Status == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            return await source.Open(0, stop);   // it knows no parts, or has sent all and never said that this is the end
        }
        catch (CopyFailed e) when (from > 0 && breaks < MostBreaks && e.RetryHelps && (e.RetryAfter ?? TimeSpan.Zero) <= LongestPause)
        {
            await Task.Delay(e.RetryAfter ?? FirstPause * Math.Pow(2, breaks), spool.Time, stop);
            return null;
        }
    }

    private async Task Begin(long? size, CancellationToken stop)
    {
        var room = size ?? source.SizeInBytes ?? 0;
        await spool.Reserve(room, stop);
        _reserved = room;
        _file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.Read | FileShare.Delete, FileOptions.Asynchronous);
        _begun.TrySetResult(size ?? source.SizeInBytes);
    }

    private async Task Append(ReadOnlyMemory<byte> bytes, System.Security.Cryptography.IncrementalHash hash, CancellationToken stop)
    {
        var excess = _written + bytes.Length - (source.SizeInBytes ?? long.MaxValue);
        if (excess > 0)
            throw Broken($"is longer than the {source.SizeInBytes} bytes of the manifest");
        if (_written + bytes.Length > _reserved)
        {
            await spool.Reserve(bytes.Length, stop);
            _reserved += bytes.Length;
        }
        hash.AppendData(bytes.Span);
        _checksum.Append(bytes.Span);
        await RandomAccess.WriteAsync(_file!, bytes, _written, stop);
        Move(() => _written += bytes.Length);
    }

    private void End(CopyFailed? failure)
    {
        Move(() => (IsComplete, _failure) = (failure is null, failure));
        if (failure is not null && _begun.TrySetException(failure))
            _ = _begun.Task.Exception;   // seen: there may be nobody left who waits
    }

    private void Move(Action change)
    {
        TaskCompletionSource? moved;
        lock (_gate)
        {
            change();
            (moved, _moved) = (_moved, null);
        }
        moved?.SetResult();
    }

    private CopyFailed Broken(string what) => new(CopyFailed.Broken, $"blob {source.Digest} {what}", retryHelps: true);
}
