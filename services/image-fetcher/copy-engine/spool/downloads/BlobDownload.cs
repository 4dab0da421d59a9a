using System.Buffers;
using System.Net;
using System.Security.Cryptography;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Downloads one blob into the spool: from one source, or from several, each continuing where the last one ended. A source that refuses,
/// stalls, breaks off, sends wrong bytes or is slow is replaced by the next one; the digest of all bytes decides.
/// </summary>
internal sealed class BlobDownload(
    SpooledBlob blob, long largestBlob, EngineMetrics metrics, WorkWatchdog watchdog, TimeProvider time, CancellationToken ct)
{
    /// <summary>
    /// The limit of consecutive breaks of one source; they do not count as consecutive if enough bytes came in between: a connection that
    /// breaks once in a gigabyte still completes a large blob.
    /// </summary>
    private const int MostBreaks = 4;
    private const int Progress = 1 << 20;

    /// <summary>The number of replicas that a blob is read from.</summary>
    private const int MostPeers = 5;

    /// <summary>The number of restarts after wrong bytes of an unknown source.</summary>
    private const int MostRestarts = 8;

    /// <summary>The longest pause for an origin that has sent a part. Longer ones are left to the next attempt of the whole blob.</summary>
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);

    private WorkWatchdog.Work? _work;
    private readonly HashSet<BlobSource> _contributors = [];
    private IncrementalHash _hash = Digest.Begin(blob.Digest);
    private int _restarts;

    /// <summary>Downloads the whole blob. Never throws: failures are passed to its readers.</summary>
    public async Task Download(BlobSource first)
    {
        try
        {
            await PeerSearch.AddPeer(blob, first, ct);
            for (var peers = 0; blob.Sources.Next() is { } candidate;)
            {
                if (await Try(candidate))
                    return;
                if (candidate.Source.IsPeer && ++peers < MostPeers)
                    // It may have ended, and the other replicas that read from it continue as well: one of them at the origin.
                    await PeerSearch.AddPeer(blob, first, ct);
            }
            blob.Fail(blob.Sources.FailureOf(first.Repository)!);
        }
        catch (CopyException e)
        {
            blob.Fail(e);
        }
        catch (OperationCanceledException)
        {
            blob.Fail(new CopyException(CopyException.Stopping, $"blob {blob.Digest}: image-fetcher is stopping", retryHelps: true));
        }
        catch (Exception e)   // any exception, or readers would wait for ever
        {
            var problem = $"blob {blob.Digest} could not be written to the spool: {e.Message}";
            var isDisk = e is IOException or UnauthorizedAccessException;
            blob.Fail(isDisk ? new CopyException(CopyException.Cache, problem, retryHelps: true, inner: e) : CopyException.Unforeseen(e));
        }
        finally
        {
            _hash.Dispose();
        }
    }

    /// <returns>True when the blob is complete; false when the next source is to be tried.</returns>
    private async Task<bool> Try(BlobSources.Candidate candidate)
    {
        var source = candidate.Source;
        blob.Stage = source.IsPeer ? BlobStage.AtPeer : BlobStage.AtOrigin;
        await using var watch = new SourceWatch(time, () => blob.Sources.HasUntried, source.IsPeer, ct);
        try
        {
            using var turn = source.Turn is { } enter ? await metrics.While("turn", () => enter(watch.Token)) : null;
            using var download = metrics.BeginDownload(source.IsPeer);
            using var work = _work = watchdog.Begin($"download of blob {blob.Digest}");
            for (var before = blob.Written; !await Receive(candidate, watch); before = blob.Written)
            {
                candidate.Breaks = blob.Written - before >= Progress ? 1 : candidate.Breaks + 1;
                if (candidate.Breaks > (source.IsPeer ? 0 : MostBreaks))   // two replicas must not continue from each other
                    throw Broken(
                        $"broke off {candidate.Breaks} times with next to nothing in between, the last time after {blob.Written} bytes");
                if (blob.Sources.HasUntried)
                    return Leave(candidate, "break");
            }
            return Finish(candidate);
        }
        catch (OperationCanceledException) when (watch.IsSlow && !ct.IsCancellationRequested)
        {
            return Leave(candidate, "slow");
        }
        catch (OperationCanceledException) when (watch.HasFailed && !ct.IsCancellationRequested)
        {
            candidate.Failure = new CopyException(
                CopyException.Unreachable, $"blob {blob.Digest} of {source.Repository} came at less than 1 KiB/s for 5 minutes",
                retryHelps: true);
            return Leave(candidate, "rate");
        }
        catch (CopyException e) when (e.Kind != CopyException.Cache || source.IsPeer)
        {
            candidate.Failure = e;
            return Leave(candidate, e.Kind);
        }
    }

    private bool Leave(BlobSources.Candidate candidate, string why)
    {
        metrics.CountSourceLeft(candidate.Source.IsPeer ? "peer" : "origin", why);
        return false;
    }

    /// <summary>
    /// Reads one response of a source, from the end of the last one; false when it broke off and a continuation may help.
    /// </summary>
    private async Task<bool> Receive(BlobSources.Candidate candidate, SourceWatch watch)
    {
        // 1. The headers. A source without range requests sends everything: the bytes that are here already are skipped.
        var (source, before) = (candidate.Source, blob.Written);
        if (await Open(candidate, before, watch) is not { } body)
            return false;
        await using var opened = body;
        var begin = body.Range?.From ?? 0;
        if (begin > before)
            throw Broken($"was asked for from byte {before} on, and {source.Repository} sent what begins at {begin}");
        var size = body.Range?.Length ?? body.Length + begin;
        if (size is not null && source.SizeInBytes is { } expected && size != expected)
            throw Broken($"is said to have {size} bytes by the origin, and {expected} by the manifest");
        size ??= source.SizeInBytes;
        if (before == 0 || blob.Size is null)
            blob.Begin(size);
        else if (size is not null && size != blob.Size)
            throw Broken($"has {size} bytes at {source.Repository}, and {blob.Size} at the source before");

        // 2. The body.
        var isEnd = await Transfer(source, body, before - begin, watch);
        return isEnd && blob.Written >= (blob.Size ?? 0);
    }

    /// <summary>Null when a source that has sent a part does not continue now, and may after the pause that has been made.</summary>
    private async Task<BlobBody?> Open(BlobSources.Candidate candidate, long from, SourceWatch watch)
    {
        var source = candidate.Source;
        try
        {
            return await watch.While(token => new ValueTask<BlobBody>(source.Open(from, token)), _ => 0);
        }
        catch (CopyException e) when (from > 0 && e.Status == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            // The source supports no ranges, or has sent everything without stating the size.
            return await watch.While(token => new ValueTask<BlobBody>(source.Open(0, token)), _ => 0);
        }
        catch (CopyException e) when (
            from > 0 && candidate.Breaks < MostBreaks && e.RetryHelps && (e.RetryAfter ?? TimeSpan.Zero) <= LongestPause)
        {
            if (!blob.Sources.HasUntried)
                await Task.Delay(e.RetryAfter ?? FirstPause * Math.Pow(2, candidate.Breaks), time, ct);
            return null;
        }
    }

    /// <returns>False when the body broke off.</returns>
    private async Task<bool> Transfer(BlobSource source, BlobBody body, long skip, SourceWatch watch)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(SpooledBlob.ChunkSize);
        try
        {
            int got;
            while ((got = await watch.While(token => body.Body.ReadAsync(buffer.AsMemory(0, SpooledBlob.ChunkSize), token),
                bytes => bytes)) > 0)
            {
                var skipped = (int)Math.Min(skip, got);
                skip -= skipped;
                if (got > skipped)
                    await Append(source, buffer.AsMemory(skipped, got - skipped));
            }
            return true;
        }
        catch (RegistryException e) when (e.IsTransient && blob.Written > 0)
        {
            return false;
        }
        catch (RegistryException e)
        {
            throw CopyException.AtOrigin(e);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async ValueTask Append(BlobSource source, ReadOnlyMemory<byte> bytes)
    {
        var end = blob.Written + bytes.Length;
        if (end > (source.SizeInBytes ?? blob.Size ?? largestBlob))
            throw source.SizeInBytes is null && blob.Size is null
                ? new CopyException(
                    CopyException.Broken, $"blob {blob.Digest} is larger than the {largestBlob} bytes of Kuik:Fetch:LargestBlob",
                    retryHelps: false)
                : Broken($"is longer than the {source.SizeInBytes ?? blob.Size} bytes that were announced");
        _contributors.Add(source);
        await blob.Append(bytes, ct);
        _hash.AppendData(bytes.Span);
        _work?.Progress();
    }

    /// <summary>Verifies the bytes when all of them have arrived.</summary>
    /// <returns>False when the download starts again.</returns>
    private bool Finish(BlobSources.Candidate candidate)
    {
        if (candidate.Source.SizeInBytes is { } size && size != blob.Written)
            throw Broken($"has {blob.Written} bytes, not {size}");
        var digest = Digest.End(_hash);
        if (digest == blob.Digest)
        {
            blob.Complete();
            return true;
        }

        var isItsFault = _contributors.Count == 1 || ++_restarts > MostRestarts;
        _hash.Dispose();
        _hash = Digest.Begin(blob.Digest);
        _contributors.Clear();
        blob.Restart();
        if (isItsFault)
            throw Broken($"has the digest {digest}: the origin sent something else");
        candidate.IsPreferred = true;   // the earlier source may be the wrong one: this one sends everything now
        return Leave(candidate, "digest");
    }

    private CopyException Broken(string what) => new(CopyException.Broken, $"blob {blob.Digest} {what}", retryHelps: true);
}
