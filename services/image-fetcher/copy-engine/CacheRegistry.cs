using System.Net;
using System.Net.Http.Headers;
using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// The cache registry, as image-fetcher reads and writes it. Repositories are paths of <see cref="CachePath"/>. Whatever goes wrong with it is a
/// <see cref="CopyFailed"/> of the kind <c>cache</c>.
/// </summary>
internal sealed class CacheRegistry(CopyEngineSettings settings, TimeProvider time) : IDisposable
{
    /// <summary>The largest page of a list of tags, in bytes: a registry that does not page gives all of them at once.</summary>
    private const int LargestPage = 8 * 1024 * 1024;

    private static readonly TimeSpan CommitPatience = TimeSpan.FromMinutes(10);   // a store may have to copy or hash a large blob again

    private readonly RegistryClient _client = new(new RegistryEndpoints([settings.CacheEndpoint.GetLeftPart(UriPartial.Authority)]), settings.Roots, time, RegistryNetwork.Own);
    private readonly string _host = settings.CacheEndpoint.IsDefaultPort ? settings.CacheEndpoint.Host : settings.CacheEndpoint.Authority;

    private volatile string? _emptyBlobIn;

    /// <summary>What is stored under a tag or digest; null when nothing is.</summary>
    public Task<ManifestHead?> HeadManifest(string repository, string target, CancellationToken stop) =>
        OrNull(async () => (ManifestHead?)await _client.ResolveManifest(At(repository), target, settings.CacheCredential, stop));

    /// <summary>What is stored under a tag or digest, as it is (an index may be in its wrapper); null when nothing is.</summary>
    public Task<Manifest?> GetManifest(string repository, string target, CancellationToken stop) =>
        OrNull(async () => (Manifest?)await _client.GetManifest(At(repository), target, settings.CacheCredential, stop));

    /// <summary>The manifest or index of an origin, as the origin serves it; null when it is not stored.</summary>
    /// <param name="repository">Where.</param>
    /// <param name="target">A tag, also of what followed an image here; or a digest of the origin's.</param>
    /// <param name="stop">Ends it.</param>
    public async Task<Manifest?> Find(string repository, string target, CancellationToken stop)
    {
        var stored = await GetManifest(repository, target.Contains(':') ? CacheTags.OfManifest(target) : target, stop);
        if (stored is null || IsTombstone(stored))
            return CacheTags.OfFollower(target) is { } hidden ? await Find(repository, hidden, stop) : null;
        if (IndexWrapper.Read(stored.Bytes) is not { } wrapper)
            return !target.Contains(':') ? stored : Digest.Of(stored.Bytes, target) == target ? stored with { Digest = target } : null;
        var index = await OrNull(async () => (byte[]?)await ReadBlob(repository, wrapper.Digest, stop));
        return index is null || Digest.Of(index, wrapper.Digest) != wrapper.Digest ? null : new Manifest(index, wrapper.MediaType, wrapper.Digest);
    }

    public Task<bool> HasBlob(string repository, string digest, CancellationToken stop) =>
        At(() => _client.HasBlob(At(repository), digest, settings.CacheCredential, stop));

    /// <summary>Begins to read a blob; null when it is not there.</summary>
    public Task<BlobBody?> OpenBlob(string repository, string digest, RangeHeaderValue? range, CancellationToken stop) =>
        OrNull(async () => (BlobBody?)await _client.OpenBlob(At(repository), digest, range, settings.CacheCredential, stop));

    /// <summary>Makes a blob of another repository one of this one too; false when the registry does not have it there.</summary>
    public async Task<bool> Mount(string repository, string digest, string from, CancellationToken stop)
    {
        var call = Write(HttpMethod.Post, repository, $"blobs/uploads/?mount={digest}&from={Uri.EscapeDataString(from)}") with { AlsoPullFrom = from };
        if (await BeginUpload(call, stop) is not { } upload)
            return true;
        await Abandon(repository, upload, stop);   // it began an ordinary upload instead
        return false;
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
        var address = await BeginUpload(Write(HttpMethod.Post, repository, "blobs/uploads/"), stop)
            ?? throw new CopyFailed(CopyFailed.Cache, $"the cache registry said 201 where an upload to {repository} was to begin", retryHelps: true);

        // 2. All of it in the request that also ends it. How long the body takes says nothing; once it is sent, the registry has so long to commit it.
        using var commit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        _ = sent.ContinueWith(_ => commit.CancelAfter(CommitPatience), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
        var isStored = false;
        try
        {
            using var _ = await At(() => _client.Send(Write(HttpMethod.Put, repository, "") with
            {
                Address = UriReference.WithQuery(address, $"digest={Uri.EscapeDataString(digest)}"),
                Content = content,
                Patience = Timeout.InfiniteTimeSpan,
            }, commit.Token));
            isStored = true;
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            throw new CopyFailed(CopyFailed.Cache, $"the cache registry: PUT of blob {digest} to {repository}: no answer within {CommitPatience.TotalMinutes:0} min after the last byte", retryHelps: true);
        }
        finally
        {
            // 3. What did not become a blob takes room until the registry purges old uploads, a week later by default. Where it has not yet noticed that
            // the body broke off, this comes too early and it still does.
            if (!isStored && !stop.IsCancellationRequested)
                await Abandon(repository, address, stop);
        }
    }

    /// <summary>The blob <c>{}</c>, which every repository holds: it is the configuration of wrappers, and garbage collections stumble over repositories without blobs.</summary>
    public async Task EnsureEmptyBlob(string repository, CancellationToken stop)
    {
        // A mount is one request, whether the repository has the blob or not, and fails when a garbage collection has taken it.
        if (_emptyBlobIn is { } other && other != repository && await Mount(repository, ArtifactManifest.EmptyDigest, other, stop))
            return;
        if (!await HasBlob(repository, ArtifactManifest.EmptyDigest, stop))
            await UploadSmall(repository, ArtifactManifest.EmptyDigest, ArtifactManifest.EmptyBlob.ToArray(), stop);
        _emptyBlobIn = repository;
    }

    /// <summary>Stores a blob that is in memory already.</summary>
    public Task UploadSmall(string repository, string digest, byte[] bytes, CancellationToken stop) =>
        Upload(repository, digest, () => new ByteArrayContent(bytes), Task.CompletedTask, stop);

    /// <summary>Stores a manifest under a tag, and reads it back: a 201 alone proves nothing (reference: distribution with a blob descriptor cache).</summary>
    public async Task PutManifest(string repository, string tag, byte[] bytes, string mediaType, CancellationToken stop)
    {
        var digest = Digest.Sha256(bytes);
        using (await At(() => _client.Send(Write(HttpMethod.Put, repository, "manifests/" + tag) with { Content = () => Body(bytes, mediaType) }, stop)))
        {
            // Held, its connection would be missing where many manifests are stored at a time.
        }
        var stored = await GetManifest(repository, tag, stop);
        if (stored is null || stored.Digest != digest)
            throw new CopyFailed(CopyFailed.Cache, $"the cache registry accepted manifest {digest} as {repository}:{tag}, and serves {stored?.Digest ?? "nothing"} there", retryHelps: true);
    }

    /// <summary>Deletes a manifest and with it all its tags; false when it was not there.</summary>
    public async Task<bool> DeleteManifest(string repository, string digest, CancellationToken stop) =>
        await OrNull(async () => (bool?)await Delete(repository, digest, stop)) ?? false;

    /// <summary>
    /// Removes one tag and nothing else. Distribution 3 does it; 2.8 answers 400, and others 405: there the tag is pointed at a manifest
    /// that no other tag has, and that one is deleted.
    /// </summary>
    public async Task RemoveTag(string repository, string tag, CancellationToken stop)
    {
        if (await HeadManifest(repository, tag, stop) is null)
            return;   // and 2.8 would make a repository of that name
        try
        {
            await DeleteManifest(repository, tag, stop);
        }
        catch (CopyFailed e) when (e.Status is HttpStatusCode.BadRequest or HttpStatusCode.MethodNotAllowed)
        {
            await EnsureEmptyBlob(repository, stop);
            var tombstone = new Tombstone(repository, tag).ToManifest();
            await PutManifest(repository, tag, tombstone, MediaTypes.OciManifest, stop);
            await DeleteManifest(repository, Digest.Sha256(tombstone), stop);
        }
    }

    /// <summary>Is this what stands for a removed tag (left over by a crash between two steps)?</summary>
    public static bool IsTombstone(Manifest manifest) => ArtifactManifest.TypeOf(manifest.Bytes) == Tombstone.ArtifactType;

    /// <summary>All tags of a repository; none when it does not exist.</summary>
    public async Task<IReadOnlyList<string>> Tags(string repository, CancellationToken stop)
    {
        const int PageSize = 1000;
        var tags = new HashSet<string>(StringComparer.Ordinal);
        for (var last = ""; ;)
        {
            var page = await OrNull(async () => (IReadOnlyList<string>?)await TagsAfter(repository, last, PageSize, stop)) ?? [];
            var before = tags.Count;
            tags.UnionWith(page);
            if (page.Count < PageSize || tags.Count == before)   // a registry that does not page gives all, however many
                return [.. tags];
            last = page[^1];
        }
    }

    public void Dispose() => _client.Dispose();

    private async Task<IReadOnlyList<string>> TagsAfter(string repository, string last, int count, CancellationToken stop)
    {
        var path = $"tags/list?n={count}" + (last.Length == 0 ? "" : $"&last={last}");
        var answer = await _client.Send(new RegistryCall(HttpMethod.Get, At(repository), path) { Credential = settings.CacheCredential }, stop);
        return TagList.Parse(repository, await _client.ReadWhole(answer, LargestPage, stop)
            ?? throw new RegistryError(RegistryErrorKind.Broken, $"a page of the list of tags of {repository} has more than {LargestPage >> 20} MiB"));
    }

    private async Task<byte[]> ReadBlob(string repository, string digest, CancellationToken stop)
    {
        var call = new RegistryCall(HttpMethod.Get, At(repository), "blobs/" + digest) { Credential = settings.CacheCredential };
        return await _client.ReadWhole(await _client.Send(call, stop), PullFromRegistry.LargestManifest, stop)
            ?? throw new RegistryError(RegistryErrorKind.Broken, $"blob {digest} of {repository} is too large for an index");
    }

    private async Task<bool> Delete(string repository, string target, CancellationToken stop)
    {
        using var _ = await _client.Send(Write(HttpMethod.Delete, repository, "manifests/" + target) with { Actions = "delete" }, stop);
        return true;
    }

    /// <summary>
    /// Where to upload to; null when the blob is there already (it was mounted). The answer is disposed of at once: held, its connection
    /// would be missing where many blobs are uploaded at a time.
    /// </summary>
    private async Task<Uri?> BeginUpload(RegistryCall call, CancellationToken stop)
    {
        using var answer = await At(() => _client.Send(call, stop));
        return answer.StatusCode == HttpStatusCode.Created ? null : AddressOf(answer);
    }

    private async Task Abandon(string repository, Uri upload, CancellationToken stop)
    {
        try
        {
            using var _ = await _client.Send(Write(HttpMethod.Delete, repository, "") with { Address = upload }, stop);
        }
        catch (Exception e) when (e is RegistryError or OperationCanceledException)
        {
            // The registry's own purge of old uploads takes it.
        }
    }

    private Uri AddressOf(HttpResponseMessage upload)
    {
        if (!upload.Headers.NonValidated.TryGetValues("Location", out var location))
            throw new CopyFailed(CopyFailed.Cache, $"the cache registry began an upload at {_host} and gave no address for it", retryHelps: true);
        try
        {
            return UriReference.Resolve(upload.RequestMessage!.RequestUri!, location.First());
        }
        catch (UriFormatException e)
        {
            throw new CopyFailed(CopyFailed.Cache, $"the cache registry began an upload at {_host} and gave an address for it that cannot be used: {e.Message}", retryHelps: true, inner: e);
        }
    }

    private static ByteArrayContent Body(byte[] bytes, string mediaType) =>
        new(bytes) { Headers = { ContentType = new MediaTypeHeaderValue(mediaType) } };

    private RegistryRepository At(string repository) => new(_host, repository);

    private RegistryCall Write(HttpMethod method, string repository, string path) =>
        new(method, At(repository), path) { Credential = settings.CacheCredential, Actions = "pull,push" };

    private static async Task<T> At<T>(Func<Task<T>> work)
    {
        try
        {
            return await work();
        }
        catch (RegistryError e)
        {
            throw CopyFailed.AtCache(e);
        }
    }

    private static async Task<T?> OrNull<T>(Func<Task<T?>> work)
    {
        try
        {
            return await work();
        }
        catch (RegistryError e) when (e.Kind == RegistryErrorKind.Gone)
        {
            return default;
        }
        catch (RegistryError e)
        {
            throw CopyFailed.AtCache(e);
        }
    }
}
