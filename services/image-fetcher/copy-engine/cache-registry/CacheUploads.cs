using System.Net;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>Uploads of blobs to the cache registry. Every failure is a <see cref="CopyException"/> of the kind <c>cache</c>.</summary>
internal sealed class CacheUploads(CacheConnection cache)
{
    private static readonly TimeSpan CommitPatience = TimeSpan.FromMinutes(10);   // a registry may have to copy or hash a large blob again

    /// <summary>
    /// Mounts a blob of another repository into this one. False when the registry does not mount it, because the blob is absent there,
    /// reading is denied, or mounts are not supported: then the blob has to be uploaded.
    /// </summary>
    public async Task<bool> Mount(string repository, string digest, string from, CancellationToken ct)
    {
        var path = $"blobs/uploads/?mount={digest}&from={Uri.EscapeDataString(from)}";
        try
        {
            var begun = await BeginUpload(() => cache.Write(HttpMethod.Post, repository, path) with { AlsoPullFrom = from }, ct);
            if (begun is not { } upload)
                return true;
            await Abandon(repository, upload, ct);   // the registry began an ordinary upload instead
            return false;
        }
        catch (CopyException e) when ((int?)e.Status is >= 400 and < 500 and not 408 and not 429)
        {
            return false;
        }
    }

    /// <summary>Uploads a blob.</summary>
    /// <param name="repository">A path of <c>CachePath</c>.</param>
    /// <param name="digest">The expected digest; the registry verifies it too.</param>
    /// <param name="content">Creates the body, again for each attempt.</param>
    /// <param name="sent">Completes when the whole body has been sent.</param>
    /// <param name="ct">Cancels the upload.</param>
    public async Task Upload(string repository, string digest, Func<HttpContent> content, Task sent, CancellationToken ct)
    {
        // 1. Begin the upload.
        var address = await BeginUpload(() => cache.Write(HttpMethod.Post, repository, "blobs/uploads/"), ct)
            ?? throw new CopyException(
                CopyException.Cache, $"the cache registry said 201 where an upload to {repository} was to begin", retryHelps: true);

        // 2. Send everything in the one request that also completes the upload. The body has no time limit; once it is sent, the registry
        // has CommitPatience to commit it.
        using var commit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        _ = sent.ContinueWith(
            _ => commit.CancelAfter(CommitPatience),
            CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
        var isStored = false;
        try
        {
            using var _ = await cache.Ask(() => cache.Client.Send(cache.Write(HttpMethod.Put, repository, "") with
            {
                Address = UriReference.WithQuery(address, $"digest={Uri.EscapeDataString(digest)}"),
                Content = content,
                Patience = Timeout.InfiniteTimeSpan,
            }, commit.Token));
            isStored = true;
        }
        catch (CopyException e) when (e.Status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden && !cache.IsOwn(address))
        {
            throw new CopyException(
                CopyException.Cache,
                $"{e.Message}; it sent the upload to {address.GetLeftPart(UriPartial.Authority)}, which gets no password as it is not "
                + "Kuik:Cache:Endpoint (a proxy before it must pass on X-Forwarded-Proto and Host, or the registry "
                + "give relative addresses)",
                retryHelps: true, status: e.Status, inner: e);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            throw new CopyException(
                CopyException.Cache,
                $"the cache registry: PUT of blob {digest} to {repository}: "
                + $"no answer within {CommitPatience.TotalMinutes:0} min after the last byte",
                retryHelps: true);
        }
        finally
        {
            // 3. Cancel a failed upload: its data takes room until the registry purges old uploads, after a week by default. If the
            // registry has not yet noticed that the body was aborted, this comes too early, and the purge removes it.
            if (!isStored && !ct.IsCancellationRequested)
                await Abandon(repository, address, ct);
        }
    }

    /// <summary>
    /// The address to upload to; null when the blob is already there (it was mounted). The response is disposed of at once: held open, its
    /// connection would be missing where many blobs are uploaded at a time.
    /// </summary>
    private async Task<Uri?> BeginUpload(Func<RegistryCall> call, CancellationToken ct)
    {
        using var answer = await cache.Ask(() => cache.Retry(() => cache.Client.Send(call(), ct), ct));
        return answer.StatusCode == HttpStatusCode.Created ? null : AddressOf(answer);
    }

    private async Task Abandon(string repository, Uri upload, CancellationToken ct)
    {
        try
        {
            using var _ = await cache.Client.Send(cache.Write(HttpMethod.Delete, repository, "") with { Address = upload }, ct);
        }
        catch (Exception e) when (e is RegistryException or OperationCanceledException)
        {
            // The registry's own purge of old uploads removes it.
        }
    }

    private Uri AddressOf(HttpResponseMessage upload)
    {
        if (!upload.Headers.NonValidated.TryGetValues("Location", out var location))
            throw new CopyException(
                CopyException.Cache, $"the cache registry began an upload at {cache.Host} and gave no address for it", retryHelps: true);
        try
        {
            return UriReference.Resolve(upload.RequestMessage!.RequestUri!, location.First());
        }
        catch (UriFormatException e)
        {
            throw new CopyException(
                CopyException.Cache,
                $"the cache registry began an upload at {cache.Host} and gave an address for it that cannot be used: {e.Message}",
                retryHelps: true, inner: e);
        }
    }
}
