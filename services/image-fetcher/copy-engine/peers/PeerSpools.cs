using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Http.Headers;
using Kuik.Contracts;
using Kuik.Oci;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Reads blobs from the spools of other replicas: <c>HEAD</c> and <c>GET /kuik/spool/{digest}?image=…</c>. Before a replica downloads
/// a blob from an origin it asks the most likely other replicas, so that the origin sends it once although replicas come, go and
/// disagree about owners. Only existing content is served, and no download is started or forwarded for it, so that no two replicas
/// wait for each other.
/// </summary>
internal sealed class PeerSpools(HttpMessageInvoker peers, RegistryClient client, RendezvousRing owners, TimeProvider time)
{
    private const string Path = "/kuik/spool/";
    private const string SizeHeader = "Kuik-Size";

    /// <summary>The number of replicas asked, besides those that left the list a short while ago.</summary>
    private const int MostAsked = 8;

    /// <summary>
    /// How long to wait for a replica's answer, and how long a silent one is not asked again, unless a request of it arrives. A replica
    /// that has just started on a busy node takes more than a second for its first answer; without it the origin sends the blob twice.
    /// </summary>
    private static readonly (TimeSpan Answer, TimeSpan Pause) Patience = (TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(10));

    /// <summary>How long to wait for the first byte of a replica that has the blob.</summary>
    private static readonly TimeSpan Stall = TimeSpan.FromSeconds(60);

    private readonly ConcurrentDictionary<Uri, DateTimeOffset> _unanswered = new();   // the times of their requests
    private readonly ConcurrentDictionary<Uri, DateTimeOffset> _heard = new();

    /// <summary>A replica that has all or part of the blob, as a source; null when none answers so within three seconds.</summary>
    /// <param name="blob">The blob, with its image: the other replica may have to fetch the rest from that image's origin.</param>
    /// <param name="ct">Cancels the search.</param>
    public async Task<BlobSource?> Find(WantedBlob blob, CancellationToken ct)
    {
        if (blob.HeldBy is { } holder && await owners.IsReplica(holder, ct))
            return SourceAt(holder, blob);
        var others = (await owners.Others(blob.Digest, MostAsked, ct)).Where(other => !IsQuiet(other)).ToList();
        if (others.Count == 0)
            return null;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var asking = others.Select(other => Has(other, blob, limit.Token)).ToList();
        await foreach (var answer in Task.WhenEach(asking))
            if (await answer is { } found)
            {
                await limit.CancelAsync();
                await Task.WhenAll(asking);
                return SourceAt(found, blob);
            }
        ct.ThrowIfCancellationRequested();
        return null;
    }

    /// <summary>Maps the endpoints for other replicas.</summary>
    public void Map(IEndpointRouteBuilder routes, BlobCopier copy) => routes.MapMethods(
        Path + "{digest}", [HttpMethods.Head, HttpMethods.Get],
        (string digest, string image, HttpContext http) => Answer(copy, digest, image, http));

    private async Task Answer(BlobCopier copy, string digest, string image, HttpContext http)
    {
        var from = http.Request.Headers[RendezvousRing.FromHeader].ToString();
        Heard(from);
        if (!ImageReference.TryParse(image, out var reference, out _) || !ImageReference.IsDigest(digest))
        {
            http.Response.StatusCode = StatusCodes.Status400BadRequest;
            return;
        }
        using var reader = from == owners.Identity ? null : copy.Find(new WantedBlob(reference, digest, SizeInBytes: null), from);
        var begin = RangeHeaderValue.TryParse(http.Request.Headers.Range, out var range) ? range.Ranges.First().From ?? 0 : 0;
        if (reader is null || reader.Start > begin)
        {
            http.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }
        if (HttpMethods.IsGet(http.Request.Method))
            await Send(http, reader, begin);
    }

    /// <summary>Notes that a process has sent a request: it is not silent, even if it left earlier requests unanswered.</summary>
    internal void Heard(string identity)
    {
        if (owners.AddressOf(identity) is { } address)
            _heard[address] = time.GetUtcNow();
    }

    private static async Task Send(HttpContext http, SpoolReader reader, long begin)
    {
        long? size = null;
        try
        {
            size = await reader.Begun.WaitAsync(http.RequestAborted);
            http.Response.Headers[SizeHeader] = size?.ToString(CultureInfo.InvariantCulture) ?? "-";
            await http.Response.StartAsync(http.RequestAborted);
            await BlobAnswer.Send(http, reader, begin, long.MaxValue - 1);
        }
        catch (CopyException) when (!http.Response.HasStarted)
        {
            http.Response.StatusCode = StatusCodes.Status404NotFound;
        }
        catch (CopyException) when (size is not null)
        {
            // The response ends short of its Content-Length, so that the other replica continues elsewhere. An abort would discard the
            // bytes that are still being sent, and the origin would have to send them again.
        }
        catch (CopyException)
        {
            http.Abort();   // without a size, an early end would look like the blob's
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            // It has disconnected.
        }
    }

    private async Task<Uri?> Has(Uri other, WantedBlob blob, CancellationToken ct)
    {
        var asked = time.GetUtcNow();
        using var patience = new CancellationTokenSource(Patience.Answer, time);
        try
        {
            return await Ask(other, blob, ct).WaitAsync(patience.Token) ? other : null;
        }
        catch (OperationCanceledException)
        {
            _unanswered[other] = asked;
            return null;
        }
    }

    /// <summary>Asks a replica. Continues after the wait has ended: a late answer shows that the replica is reachable again.</summary>
    private async Task<bool> Ask(Uri other, WantedBlob blob, CancellationToken ct)
    {
        using var limit = new CancellationTokenSource(Patience.Answer + Patience.Pause, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, ct);
        try
        {
            using var request = Request(HttpMethod.Head, other, blob);
            using var answer = await peers.SendAsync(request, either.Token);
            _heard[other] = time.GetUtcNow();
            return answer.IsSuccessStatusCode;
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            return false;   // a replica that refuses costs nothing, and may be back at once
        }
    }

    private BlobSource SourceAt(Uri other, WantedBlob blob) =>
        new(other.AbsoluteUri, blob.Digest, blob.SizeInBytes, (from, ct) => Open(other, blob, from, ct)) { IsPeer = true };

    private async Task<BlobBody> Open(Uri other, WantedBlob blob, long from, CancellationToken ct)
    {
        using var limit = new CancellationTokenSource(Stall, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, ct);
        try
        {
            using var request = Request(HttpMethod.Get, other, blob);
            request.Headers.Range = from == 0 ? null : new RangeHeaderValue(from, null);
            var answer = await peers.SendAsync(request, either.Token);
            if (!answer.IsSuccessStatusCode)
            {
                answer.Dispose();
                throw new CopyException(CopyException.Gone, $"{other} does not have blob {blob.Digest} any more", retryHelps: true);
            }
            var size = SizeOf(answer);
            return new BlobBody(await client.ReadBody(answer, ct), size - from, RangeOf(from, size));
        }
        catch (Exception e) when (e is HttpRequestException or IOException
            || (e is OperationCanceledException && !ct.IsCancellationRequested))
        {
            throw new CopyException(CopyException.Unreachable, $"{other}: {e.Message}", retryHelps: true, inner: e);
        }
    }

    private static long? SizeOf(HttpResponseMessage answer) =>
        answer.Headers.TryGetValues(SizeHeader, out var said) && long.TryParse(said.First(), CultureInfo.InvariantCulture, out var size)
            ? size
            : null;

    private static ContentRangeHeaderValue? RangeOf(long from, long? size) =>
        from == 0 ? null
        : size is { } all ? new ContentRangeHeaderValue(from, Math.Max(from, all - 1), Math.Max(from + 1, all))
        : new ContentRangeHeaderValue(from, long.MaxValue - 1);

    private HttpRequestMessage Request(HttpMethod method, Uri other, WantedBlob blob)
    {
        var question = new Uri(other, $"{Path}{blob.Digest}?image={Uri.EscapeDataString(blob.Image.ToString())}");
        return new HttpRequestMessage(method, question) { Headers = { { RendezvousRing.FromHeader, owners.Identity } } };
    }

    private bool IsQuiet(Uri other) =>
        _unanswered.TryGetValue(other, out var asked) && asked + Patience.Answer + Patience.Pause > time.GetUtcNow()
        && !(_heard.TryGetValue(other, out var heard) && heard >= asked);
}
