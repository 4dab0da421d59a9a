using System.Net;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Storing blobs in the cache registry. Whatever goes wrong with it is a <see cref="CopyException"/> of the kind <c>cache</c>.
/// </summary>
internal sealed class CacheUploads(CacheConnection cache)
{
    private static readonly TimeSpan CommitPatience = TimeSpan.FromMinutes(10);   // a store may have to copy or hash a large blob again

    /// <summary>
    /// Makes a blob of another repository one of this one too; false when the registry does not do that, be it that it does not have the
    /// blob there, does not let us read there, or knows no mounts: then the blob is to be uploaded.
    /// </summary>
    public async Task<bool> Mount(string repository, string digest, string from, CancellationToken stop)
    {
        var path = $"blobs/uploads/?mount={digest}&from={Uri.EscapeDataString(from)}";
        try
        {
            var begun = await BeginUpload(() => cache.Write(HttpMethod.Post, repository, path) with { AlsoPullFrom = from }, stop);
            if (begun is not { } upload)
                return true;
            await Abandon(repository, upload, stop);   // it began an ordinary upload instead
            return false;
        }
        catch (CopyException e) when ((int?)e.Status is >= 400 and < 500 and not 408 and not 429)
        {
            return false;
        }
    }

    /// <summary>Stores a blob from what is read anew at each call.</summary>
    /// <param name="repository">Where.</param>
    /// <param name="digest">What the bytes have to have: the registry verifies it too.</param>
    /// <param name="content">Makes the body.</param>
    /// <param name="sent">Completes when the whole body has been sent.</param>
    /// <param name="stop">Ends it.</param>
    public async Task Upload(string repository, string digest, Func<HttpContent> content, Task sent, CancellationToken stop)
    {
        // 1. An upload of its own.
        var address = await BeginUpload(() => cache.Write(HttpMethod.Post, repository, "blobs/uploads/"), stop)
            ?? throw new CopyException(
                CopyException.Cache, $"the cache registry said 201 where an upload to {repository} was to begin", retryHelps: true);

        // 2. All of it in the request that also ends it. How long the body takes says nothing; once it is sent, the registry has so long
        // to commit it.
        using var commit = CancellationTokenSource.CreateLinkedTokenSource(stop);
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
                + "Kuik:Cache:Endpoint (a proxy before it must pass on X-Forwarded-Proto and Host, or the registry give relative addresses)",
                retryHelps: true, status: e.Status, inner: e);
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            throw new CopyException(
                CopyException.Cache,
                $"the cache registry: PUT of blob {digest} to {repository}: "
                + $"no answer within {CommitPatience.TotalMinutes:0} min after the last byte",
                retryHelps: true);
        }
        finally
        {
            // 3. What did not become a blob takes room until the registry purges old uploads, a week later by default. Where it has not yet
            // noticed that the body broke off, this comes too early and it still does.
            if (!isStored && !stop.IsCancellationRequested)
                await Abandon(repository, address, stop);
        }
    }

    /// <summary>
    /// Where to upload to; null when the blob is there already (it was mounted). The answer is disposed of at once: held, its connection
    /// would be missing where many blobs are uploaded at a time.
    /// </summary>
    private async Task<Uri?> BeginUpload(Func<RegistryCall> call, CancellationToken stop)
    {
        using var answer = await cache.Ask(() => cache.Retry(() => cache.Client.Send(call(), stop), stop));
        return answer.StatusCode == HttpStatusCode.Created ? null : AddressOf(answer);
    }

    private async Task Abandon(string repository, Uri upload, CancellationToken stop)
    {
        try
        {
            using var _ = await cache.Client.Send(cache.Write(HttpMethod.Delete, repository, "") with { Address = upload }, stop);
        }
        catch (Exception e) when (e is RegistryException or OperationCanceledException)
        {
            // The registry's own purge of old uploads takes it.
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
