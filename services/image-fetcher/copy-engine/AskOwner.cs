using System.Globalization;
using System.Net;
using System.Text;
using Kuik.Contracts;
using Kuik.Oci;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>Another replica did not answer, or was gone before it had an answer.</summary>
internal sealed class ReplicaGone(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>
/// How one replica has the owner of a blob bring it into the cache, and the owner of a repository get a manifest. The answer is lines of text: <c>working</c>
/// every second, at the end <c>copied &lt;bytes&gt;</c>, <c>manifest &lt;type&gt; &lt;digest&gt; &lt;base64&gt;</c> or <c>failed …</c>. The owner itself notices when an origin or the cache makes no progress; a dead owner is noticed by its
/// silence, however long the blob is. No credentials cross: the owner finds its own.
/// </summary>
internal sealed class AskOwner(HttpMessageInvoker peers, BlobOwners owners, TimeProvider time)
{
    private const string BlobsPath = "/kuik/blobs";
    private const string ManifestsPath = "/kuik/manifests";

    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(1);

    /// <summary>Has it bring a blob into the cache, and waits for as long as it makes progress.</summary>
    /// <returns>Bytes that came from the origin; null when this replica has asked itself.</returns>
    /// <exception cref="CopyFailed">It tried and could not.</exception>
    /// <exception cref="ReplicaGone">It did not try, or did not finish.</exception>
    public async Task<long?> ToCopy(Uri owner, WantedBlob blob, CancellationToken stop)
    {
        var size = blob.SizeInBytes?.ToString(CultureInfo.InvariantCulture);
        var answer = await Ask(owner, $"{BlobsPath}?image={Uri.EscapeDataString(blob.Image.ToString())}&digest={blob.Digest}&size={size}", stop);
        return answer switch
        {
            null => null,
            ["copied", var bytes] => long.Parse(bytes, CultureInfo.InvariantCulture),
            _ => throw new ReplicaGone($"{owner} answered with something else"),
        };
    }

    /// <summary>Has it get a manifest from its origin.</summary>
    /// <returns>Null when this replica has asked itself.</returns>
    /// <exception cref="CopyFailed">It tried and could not.</exception>
    /// <exception cref="ReplicaGone">It did not try, or did not finish.</exception>
    public async Task<Manifest?> ForManifest(Uri owner, ImageReference image, CancellationToken stop)
    {
        var answer = await Ask(owner, $"{ManifestsPath}?image={Uri.EscapeDataString(image.ToString())}", stop);
        return answer switch
        {
            null => null,
            ["manifest", var type, var digest, var text] when Convert.FromBase64String(text) is var bytes && ManifestDigest.Fits(digest, bytes) => new Manifest(bytes, type, digest),
            _ => throw new ReplicaGone($"{owner} answered with something else"),
        };
    }

    /// <summary>Answers other replicas.</summary>
    public static void Map(IEndpointRouteBuilder routes, CopyBlob copy, Manifests manifests, BlobOwners owners, TimeProvider time)
    {
        routes.MapPost(BlobsPath, (string image, string digest, long? size, HttpContext http) =>
            owners.IsFromSelf(http.Request) ? Refuse(http, StatusCodes.Status421MisdirectedRequest)
            : !ImageReference.TryParse(image, out var reference, out _) || !ImageReference.IsDigest(digest) ? Refuse(http, StatusCodes.Status400BadRequest)
            : Answer(http, copy.InTurn(new WantedBlob(reference, digest, size), http.RequestAborted), bytes => $"copied {bytes}", time));
        routes.MapPost(ManifestsPath, (string image, HttpContext http) =>
            owners.IsFromSelf(http.Request) ? Refuse(http, StatusCodes.Status421MisdirectedRequest)
            : !ImageReference.TryParse(image, out var reference, out _) ? Refuse(http, StatusCodes.Status400BadRequest)
            : Answer(http, manifests.FromOrigin(reference, CancellationToken.None), manifest => $"manifest {manifest.MediaType} {manifest.Digest} {Convert.ToBase64String(manifest.Bytes)}", time));
    }

    private async Task<string[]?> Ask(Uri owner, string question, CancellationToken stop)
    {
        using var silence = new CancellationTokenSource(BlobOwners.Silence, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(silence.Token, stop);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(owner, question));
            request.Headers.Add(BlobOwners.FromHeader, owners.Identity);
            using var answer = await peers.SendAsync(request, either.Token);
            if (owners.IsSelf(owner, answer))
                return null;
            if (answer.StatusCode != HttpStatusCode.OK)
                throw new ReplicaGone($"{owner} answered {(int)answer.StatusCode}");
            using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync(either.Token));
            while (await lines.ReadLineAsync(either.Token) is { } line)
            {
                silence.CancelAfter(BlobOwners.Silence);
                if (Read(line) is { } result)
                    return result;
            }
            throw new ReplicaGone($"{owner} broke off");
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new ReplicaGone($"{owner}: {e.Message}", e);
        }
        catch (OperationCanceledException e) when (!stop.IsCancellationRequested)
        {
            throw new ReplicaGone($"{owner} said nothing for {BlobOwners.Silence.TotalSeconds:0} s", e);
        }
    }

    private static Task Refuse(HttpContext http, int status)
    {
        http.Response.StatusCode = status;
        return Task.CompletedTask;
    }

    private static async Task Answer<T>(HttpContext http, Task<T> work, Func<T, string> write, TimeProvider time)
    {
        using var beats = new PeriodicTimer(Beat, time);
        while (await Task.WhenAny(work, beats.WaitForNextTickAsync(http.RequestAborted).AsTask()) != work && !http.RequestAborted.IsCancellationRequested)
            await http.Response.WriteAsync("working\n", http.RequestAborted);
        if (http.RequestAborted.IsCancellationRequested)
            return;   // the work goes on
        try
        {
            await http.Response.WriteAsync(write(await work) + "\n", http.RequestAborted);
        }
        catch (CopyFailed e)
        {
            await http.Response.WriteAsync(Write(e) + "\n", http.RequestAborted);
        }
    }

    internal static string Write(CopyFailed e) => string.Join(' ', "failed", e.Kind, e.RetryHelps, ((int?)e.RetryAfter?.TotalSeconds)?.ToString(CultureInfo.InvariantCulture) ?? "-",
        ((int?)e.Status)?.ToString(CultureInfo.InvariantCulture) ?? "-", Convert.ToBase64String(Encoding.UTF8.GetBytes(e.Message)));

    /// <summary>The words of a result, null for a line that only says that there is progress.</summary>
    /// <exception cref="CopyFailed">The line says so.</exception>
    internal static string[]? Read(string line) => line.Split(' ') switch
    {
        ["failed", var kind, var retry, var after, var status, var message] => throw new CopyFailed(kind, Encoding.UTF8.GetString(Convert.FromBase64String(message)), bool.Parse(retry),
            after == "-" ? null : TimeSpan.FromSeconds(int.Parse(after, CultureInfo.InvariantCulture)),
            status == "-" ? null : (HttpStatusCode)int.Parse(status, CultureInfo.InvariantCulture)),
        ["copied" or "manifest", ..] result => result,
        _ => null,
    };
}
