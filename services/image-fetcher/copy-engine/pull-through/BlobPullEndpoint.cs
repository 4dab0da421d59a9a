using System.Net.Http.Headers;
using Kuik.Contracts;
using Kuik.Oci;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// A blob that node-proxy did not find in the cache: from the spool if it is there or on its way; from the cache if it has come since; else
/// its download begins. Whatever begins here goes on into the cache when the client leaves, and reaches the client when the cache refuses
/// it.
/// </summary>
internal sealed partial class BlobPullEndpoint(
    CacheRegistry cache, BlobCopier blobCopier, OriginClient originClient, ShareCache shareCache, TimeProvider time,
    ILogger<BlobPullEndpoint> logger, CancellationToken stopping)
{
    /// <summary>
    /// How long the cache may take to say whether it has the blob; then the download begins without it. A busy cache takes seconds, and
    /// what it has must not be fetched once more.
    /// </summary>
    private static readonly TimeSpan CachePatience = TimeSpan.FromSeconds(10);

    /// <summary>A failure of the cache that took this long is not waited for again at once: for as long as it took the cache is not
    /// asked.</summary>
    private static readonly TimeSpan SlowFailure = TimeSpan.FromSeconds(1);

    private readonly SingleFlight<(string Repository, string Digest), bool> _asked = new(stopping);
    private readonly NegativeCache<(string Repository, string Digest)> _refused = new(time);
    private DateTimeOffset _cacheIsAwayUntil;

    /// <summary>Answers with what the spool has, or is about to get; false when it has nothing of the blob.</summary>
    /// <exception cref="CopyException">No source gave it.</exception>
    public async Task<bool> TryFromSpool(HttpContext http, ImageReference image, string digest)
    {
        using var spooled = blobCopier.Find(new WantedBlob(image, digest, SizeInBytes: null));
        if (spooled is not null)
            await FromSpool(http, digest, spooled);
        return spooled is not null;
    }

    /// <summary>Answers from the cache, or from the origin.</summary>
    /// <exception cref="CopyException">Neither of them gave it.</exception>
    public async Task Serve(HttpContext http, ImageReference image, string digest)
    {
        var blob = new WantedBlob(image, digest, SizeInBytes: null);
        if (await IsInCache(http, blob) is not { } isThere)
            return;   // 202: not known yet
        if (!isThere || !await FromCache(http, blob))
            await FromOrigin(http, blob);
    }

    /// <summary>True when the cache has the blob. Null when it has not answered yet, and 202 was sent. A cache that does not answer has
    /// not.</summary>
    private async Task<bool?> IsInCache(HttpContext http, WantedBlob blob)
    {
        if (_cacheIsAwayUntil > time.GetUtcNow())
            return false;
        var asked = _asked.RunOnce((blob.Repository, blob.Digest), async stop =>
        {
            var begun = time.GetTimestamp();
            try
            {
                // Asked twice, it may have come there, and left the spool, since the first time.
                return await blobCopier.IsThere(blob, stop).WaitAsync(CachePatience, time, stop)
                    || (blobCopier.HasSeen(blob) && await blobCopier.IsThere(blob, stop).WaitAsync(CachePatience, time, stop));
            }
            catch (Exception e) when (e is CopyException or TimeoutException)
            {
                if (time.GetElapsedTime(begun) is var waited && waited >= SlowFailure)
                    _cacheIsAwayUntil = time.GetUtcNow() + waited;
                LogCacheAway(blob.Digest, e.Message);
                return false;
            }
        });
        return await PullThrough.IsDoneAtOnce(http, asked, time) ? await asked : null;
    }

    private async Task<bool> FromCache(HttpContext http, WantedBlob blob)
    {
        try
        {
            _ = RangeHeaderValue.TryParse(http.Request.Headers.Range, out var asked);
            // several are answered with the whole (RFC 9110 section 14.2)
            var range = asked is { Unit: "bytes", Ranges.Count: 1 } ? asked : null;
            await using var stored = await cache.OpenBlob(blob.Repository, blob.Digest, range, http.RequestAborted);
            if (stored is null)
                return false;
            BlobAnswer.Describe(http, blob.Digest, stored.Length);
            if (stored.Range is { } part)
            {
                http.Response.StatusCode = StatusCodes.Status206PartialContent;
                http.Response.Headers.ContentRange = part.ToString();
            }
            if (HttpMethods.IsGet(http.Request.Method))
                await stored.Body.CopyToAsync(http.Response.Body, BlobAnswer.ChunkSize, http.RequestAborted);
            return true;
        }
        catch (CopyException e)
        {
            LogCacheAway(blob.Digest, e.Message);
            return false;
        }
        catch (RegistryException e)
        {
            throw CopyException.AtCache(e);   // in mid-body: the client's transfer breaks
        }
    }

    private async Task FromOrigin(HttpContext http, WantedBlob blob)
    {
        _refused.ThrowIfKnown((blob.Repository, blob.Digest));
        if (HttpMethods.IsHead(http.Request.Method))
        {
            var ask = Size(blob, http.RequestAborted);
            if (await PullThrough.IsDoneAtOnce(http, ask, time))
                BlobAnswer.Describe(http, blob.Digest, await ask is >= 0 and var size ? size : null);
            return;
        }
        using var download = blobCopier.Download(blob);
        // a reader of its own from the first byte on: the spool may have no room for the whole blob
        _ = Keep(blob, blobCopier.Download(blob));
        await FromSpool(http, blob.Digest, download);
    }

    /// <summary>In bytes; negative when the origin does not say.</summary>
    private async Task<long> Size(WantedBlob blob, CancellationToken ct)
    {
        try
        {
            return await originClient.HeadBlob(blob.Image, blob.Digest, ct);
        }
        catch (CopyException e)
        {
            _refused.Remember((blob.Repository, blob.Digest), e);
            throw;
        }
    }

    /// <summary>Brings it into the cache once it has begun to come, whatever becomes of the client; a cache that refuses is the log's
    /// business, not the client's.</summary>
    private async Task Keep(WantedBlob blob, SpoolReader download)
    {
        using var held = download;
        try
        {
            await download.Begun;
        }
        catch (CopyException e)
        {
            _refused.Remember((blob.Repository, blob.Digest), e);
            if (e is { Kind: CopyException.Internal, InnerException: { } fault })
                LogBroken(blob.Digest, blob.Repository, ExceptionSummary.WithStack(fault));
            return;
        }
        try
        {
            var sharing = shareCache(blob.Repository, stopping);
            var isAtOnce = await Task.WhenAny(sharing, Task.Delay(PullThrough.AtOnce, time, stopping)) == sharing;
            if (!isAtOnce)
                download.Dispose();   // a garbage collection runs: a reader that stands still would hold up the client
            await using var share = await sharing;
            await blobCopier.AsOwner(blob, isAtOnce ? download : null);
        }
        catch (CopyException e)
        {
            LogNotKept(blob.Digest, blob.Repository, e.Message);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The next pull keeps it.
        }
        catch (Exception e)
        {
            LogBroken(blob.Digest, blob.Repository, ExceptionSummary.WithStack(e));   // nothing awaits this task
        }
    }

    private async Task FromSpool(HttpContext http, string digest, SpoolReader blob)
    {
        if (!await PullThrough.IsDoneAtOnce(http, blob.Begun, time))
            return;
        var size = await blob.Begun;
        var (from, to) = size is { } known ? BlobAnswer.RangeOf(http, known) : (0, long.MaxValue - 1);
        var isPart = http.Response.StatusCode == StatusCodes.Status206PartialContent;
        if (isPart && from > to)
        {
            http.Response.StatusCode = StatusCodes.Status416RangeNotSatisfiable;
            http.Response.Headers.ContentRange = $"bytes */{size}";
            return;
        }
        if (from < blob.Start)
        {
            PullThrough.AnswerWorking(http);   // its beginning has left the spool: the cache has it in a while
            return;
        }
        BlobAnswer.Describe(http, digest, size is null ? null : to - from + 1);
        if (isPart)
            http.Response.Headers.ContentRange = $"bytes {from}-{to}/{size}";
        if (HttpMethods.IsHead(http.Request.Method))
            return;

        await http.Response.StartAsync(http.RequestAborted);
        await BlobAnswer.Send(http, blob, from, to);
    }

    [LoggerMessage(LogLevel.Warning, "blob {Digest} is pulled through without the cache: {Reason}")]
    private partial void LogCacheAway(string digest, string reason);

    [LoggerMessage(LogLevel.Warning, "blob {Digest} was pulled through but is not kept in {Repository}: {Reason}")]
    private partial void LogNotKept(string digest, string repository, string reason);

    [LoggerMessage(LogLevel.Error, "blob {Digest} was pulled through but is not kept in {Repository}: {Fault}")]
    private partial void LogBroken(string digest, string repository, string fault);
}
