using System.Globalization;
using System.Net;
using System.Text.Json;
using Kuik.Contracts;
using Kuik.Oci;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Asks the owner of a blob to copy it into the cache, and the owner of a repository to fetch a manifest. The response is lines of JSON
/// (<see cref="PeerLine"/>): one every second with the progress, and the result at the end. The owner itself detects an origin or a cache
/// without progress; a dead owner is detected by its silence, however long the blob is. No credentials are sent: the owner finds its own. A
/// request is never forwarded to a third replica.
/// </summary>
internal sealed class OwnerClient(HttpMessageInvoker peers, RendezvousRing owners, TimeProvider time)
{
    private const string BlobsPath = "/kuik/blobs";
    private const string ManifestsPath = "/kuik/manifests";

    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(1);

    /// <summary>The longest time without progress of an owner that reports work: longer than each of its own limits.</summary>
    private static readonly TimeSpan LongestWithoutProgress = TimeSpan.FromMinutes(15);

    /// <summary>Asks the owner to copy a blob into the cache, and waits for as long as it makes progress.</summary>
    /// <returns>Bytes downloaded from the origin; null when the owner is this replica itself.</returns>
    /// <exception cref="CopyException">The owner failed to copy it.</exception>
    /// <exception cref="ReplicaUnreachableException">The owner did not try, or did not finish.</exception>
    public async Task<long?> ToCopy(Uri owner, WantedBlob blob, CancellationToken ct) => await Ask(owner, Question(blob), ct) switch
    {
        null => null,
        { Copied: { } bytes } => bytes,
        _ => throw new ReplicaUnreachableException($"{owner} answered with something else"),
    };

    /// <summary>Asks a replica to take over a blob that this one is downloading, and returns when it has begun.</summary>
    /// <exception cref="ReplicaUnreachableException">It did not.</exception>
    public async Task HandOver(Uri successor, WantedBlob blob, CancellationToken ct)
    {
        var own = Uri.EscapeDataString(owners.Own?.AbsoluteUri ?? "");
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(successor, $"{Question(blob)}&from={own}"));
        request.Headers.Add(RendezvousRing.FromHeader, owners.Identity);
        try
        {
            using var answer = await peers.SendAsync(request, ct);
            if (answer.StatusCode != HttpStatusCode.OK)
                throw new ReplicaUnreachableException($"{successor} answered {(int)answer.StatusCode}");
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new ReplicaUnreachableException($"{successor}: {e.Message}", e);
        }
    }

    /// <summary>Asks the owner to fetch a manifest from its origin.</summary>
    /// <returns>Null when the owner is this replica itself.</returns>
    /// <exception cref="CopyException">The owner failed to fetch it.</exception>
    /// <exception cref="ReplicaUnreachableException">The owner did not try, or did not finish.</exception>
    public async Task<Manifest?> ForManifest(Uri owner, ImageReference image, CancellationToken ct) =>
        await Ask(owner, $"{ManifestsPath}?image={Uri.EscapeDataString(image.ToString())}", ct) switch
        {
            null => null,
            { Manifest: { } said } when ManifestDigest.Fits(image.Digest ?? said.Digest, said.Bytes) =>
                new Manifest(said.Bytes, said.MediaType, image.Digest ?? said.Digest),
            _ => throw new ReplicaUnreachableException($"{owner} answered with something else"),
        };

    /// <summary>Maps the endpoints for other replicas.</summary>
    public void Map(IEndpointRouteBuilder routes, BlobCopier copy, ManifestFetcher manifestFetcher)
    {
        routes.MapPost(BlobsPath, async (string image, string digest, long? size, string? from, HttpContext http) =>
        {
            if (owners.IsFromSelf(http.Request))
                http.Response.StatusCode = StatusCodes.Status421MisdirectedRequest;
            else if (!ImageReference.TryParse(image, out var reference, out _) || !ImageReference.IsDigest(digest))
                http.Response.StatusCode = StatusCodes.Status400BadRequest;
            else if (copy.ForPeer(new WantedBlob(reference, digest, size) { HeldBy = AddressOf(from) }, isHandedOver: from is not null,
                http.RequestAborted) is { } work)
                await Answer(http, work, bytes => new PeerLine { Copied = bytes }, () => copy.Progress(digest));
            else
                http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        });
        routes.MapPost(ManifestsPath, async (string image, HttpContext http) =>
        {
            if (owners.IsFromSelf(http.Request))
                http.Response.StatusCode = StatusCodes.Status421MisdirectedRequest;
            else if (!ImageReference.TryParse(image, out var reference, out _))
                http.Response.StatusCode = StatusCodes.Status400BadRequest;
            else if (owners.IsDraining && !manifestFetcher.IsUnderWay(reference))
                http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            else
                await Answer(
                    http, manifestFetcher.AsOwner(reference),
                    manifest => new PeerLine { Manifest = new(manifest.MediaType, manifest.Digest, manifest.Bytes) }, () => 0);
        });
    }

    // An empty value would be refused, because it is not a number.
    private static string Question(WantedBlob blob) =>
        $"{BlobsPath}?image={Uri.EscapeDataString(blob.Image.ToString())}&digest={blob.Digest}"
        + (blob.SizeInBytes is { } size ? string.Create(CultureInfo.InvariantCulture, $"&size={size}") : "");

    private static Uri? AddressOf(string? text) => Uri.TryCreate(text, UriKind.Absolute, out var address) ? address : null;

    private async Task<PeerLine?> Ask(Uri owner, string question, CancellationToken ct)
    {
        using var silence = new CancellationTokenSource(RendezvousRing.Silence, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(silence.Token, ct);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(owner, question));
            request.Headers.Add(RendezvousRing.FromHeader, owners.Identity);
            using var answer = await peers.SendAsync(request, either.Token);
            if (owners.IsSelf(owner, answer))
                return null;
            if (answer.StatusCode != HttpStatusCode.OK)
                throw new ReplicaUnreachableException($"{owner} answered {(int)answer.StatusCode}");
            using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync(either.Token));
            return await Result(owner, lines, silence, either.Token);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or JsonException)
        {
            throw new ReplicaUnreachableException($"{owner}: {e.Message}", e);
        }
        catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
        {
            throw new ReplicaUnreachableException($"{owner} sent nothing for {RendezvousRing.Silence.TotalSeconds:0} s", e);
        }
    }

    private async Task<PeerLine> Result(Uri owner, StreamReader lines, CancellationTokenSource silence, CancellationToken ct)
    {
        var (progress, movedAt) = (-1L, time.GetTimestamp());
        while (await lines.ReadLineAsync(ct) is { } line)
        {
            silence.CancelAfter(RendezvousRing.Silence);
            var said = PeerLine.Parse(line);
            if (said.Working is not { } now)
                return said;
            if (now != progress)
                (progress, movedAt) = (now, time.GetTimestamp());
            else if (time.GetElapsedTime(movedAt) > LongestWithoutProgress)
                throw new ReplicaUnreachableException($"{owner} made no progress for {LongestWithoutProgress.TotalMinutes:0} min");
        }
        throw new ReplicaUnreachableException($"{owner} broke off");
    }

    private async Task Answer<T>(HttpContext http, Task<T> work, Func<T, PeerLine> write, Func<long> progress)
    {
        await http.Response.Body.FlushAsync(http.RequestAborted);   // the headers say that the work has begun
        using var beats = new PeriodicTimer(Beat, time);
        while (await Task.WhenAny(work, beats.WaitForNextTickAsync(http.RequestAborted).AsTask()) != work
            && !http.RequestAborted.IsCancellationRequested)
            await Write(http, new PeerLine { Working = progress() });
        if (http.RequestAborted.IsCancellationRequested)
            return;   // the work continues
        try
        {
            await Write(http, write(await work));
        }
        catch (CopyException e) when (e.Kind != CopyException.Stopping)
        {
            await Write(http, PeerLine.From(e));
        }
        catch (Exception e) when (e is CopyException or OperationCanceledException)
        {
            http.Abort();   // this replica is shutting down: the client asks the next one
        }
    }

    private static Task Write(HttpContext http, PeerLine line) => http.Response.WriteAsync(line.Write() + "\n", http.RequestAborted);
}
