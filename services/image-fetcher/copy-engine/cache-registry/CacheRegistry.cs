using System.Net;
using System.Net.Http.Headers;
using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// The client of the cache registry, for reading and writing. Repositories are paths of <see cref="CachePath"/>. Every failure is a
/// <see cref="CopyException"/> of the kind <c>cache</c>.
/// </summary>
internal sealed class CacheRegistry : IDisposable
{
    /// <summary>The largest page of a list of tags, in bytes: a registry without pagination returns all of them at once.</summary>
    private const int LargestPage = 8 * 1024 * 1024;

    private readonly CacheConnection _cache;
    private readonly CacheUploads _uploads;
    private volatile string? _emptyBlobIn;

    public CacheRegistry(CopyEngineOptions options, TimeProvider time)
    {
        _cache = new CacheConnection(options, time);
        _uploads = new CacheUploads(_cache);
    }

    /// <summary>The manifest's digest and size under a tag or digest; null when there is none.</summary>
    public Task<ManifestHead?> HeadManifest(string repository, string target, CancellationToken ct) =>
        _cache.OrNull(() => _cache.Retry(
            async () => (ManifestHead?)await _cache.Client.ResolveManifest(_cache.At(repository), target, _cache.Credential, ct), ct));

    /// <summary>The manifest under a tag or digest as stored (an index may be in its wrapper); null when there is none.</summary>
    public Task<Manifest?> GetManifest(string repository, string target, CancellationToken ct) =>
        _cache.OrNull(() => _cache.Retry(
            async () => (Manifest?)await _cache.Client.GetManifest(_cache.At(repository), target, _cache.Credential, ct), ct));

    /// <summary>The manifest or index as the origin serves it; null when it is not stored.</summary>
    /// <param name="repository">A path of <see cref="CachePath"/>.</param>
    /// <param name="target">A tag, also that of a copied referrer; or a digest of the origin's.</param>
    /// <param name="ct">Cancels the call.</param>
    public async Task<Manifest?> Find(string repository, string target, CancellationToken ct)
    {
        var stored = await GetManifest(repository, target.Contains(':') ? CacheTags.OfManifest(target) : target, ct);
        if (stored is null || IsTombstone(stored))
            return CacheTags.OfCopiedReferrer(target) is { } hidden ? await Find(repository, hidden, ct) : null;
        if (IndexWrapper.Parse(stored.Bytes) is not { } wrapper)
            return !target.Contains(':') ? stored : Digest.Compute(stored.Bytes, target) == target ? stored with { Digest = target } : null;
        var index = await _cache.OrNull(() => _cache.Retry(async () => (byte[]?)await ReadBlob(repository, wrapper.Digest, ct), ct));
        return index is null || Digest.Compute(index, wrapper.Digest) != wrapper.Digest
            ? null
            : new Manifest(index, wrapper.MediaType, wrapper.Digest);
    }

    public Task<bool> HasBlob(string repository, string digest, CancellationToken ct) =>
        _cache.Ask(() => _cache.Retry(() => _cache.Client.HasBlob(_cache.At(repository), digest, _cache.Credential, ct), ct));

    /// <summary>Opens a blob for reading; null when it is not there.</summary>
    public Task<BlobBody?> OpenBlob(string repository, string digest, RangeHeaderValue? range, CancellationToken ct) =>
        _cache.OrNull(() => _cache.Retry(
            async () => (BlobBody?)await _cache.Client.OpenBlob(_cache.At(repository), digest, range, _cache.Credential, ct), ct));

    /// <inheritdoc cref="CacheUploads.Mount"/>
    public Task<bool> Mount(string repository, string digest, string from, CancellationToken ct) =>
        _uploads.Mount(repository, digest, from, ct);

    /// <inheritdoc cref="CacheUploads.Upload"/>
    public Task Upload(string repository, string digest, Func<HttpContent> content, Task sent, CancellationToken ct) =>
        _uploads.Upload(repository, digest, content, sent, ct);

    /// <summary>
    /// Stores the blob <c>{}</c>, which every repository holds: it is the config of wrappers, and garbage collection
    /// fails on repositories without blobs.
    /// </summary>
    public async Task EnsureEmptyBlob(string repository, CancellationToken ct)
    {
        // A mount is one request, whether the repository has the blob or not, and fails when a garbage collection has removed it.
        if (_emptyBlobIn is { } other && other != repository && await Mount(repository, ArtifactManifest.EmptyDigest, other, ct))
            return;
        if (!await HasBlob(repository, ArtifactManifest.EmptyDigest, ct))
            await UploadSmall(repository, ArtifactManifest.EmptyDigest, ArtifactManifest.EmptyBlob.ToArray(), ct);
        _emptyBlobIn = repository;
    }

    /// <summary>Stores a blob from memory.</summary>
    public Task UploadSmall(string repository, string digest, byte[] bytes, CancellationToken ct) =>
        Upload(repository, digest, () => new ByteArrayContent(bytes), Task.CompletedTask, ct);

    /// <summary>
    /// Stores a manifest under a tag, and reads it back: status 201 alone proves nothing (distribution with a blob descriptor cache).
    /// </summary>
    public async Task PutManifest(string repository, string tag, byte[] bytes, string mediaType, CancellationToken ct)
    {
        var digest = Digest.Sha256(bytes);
        RegistryCall Put() => _cache.Write(HttpMethod.Put, repository, "manifests/" + tag) with { Content = () => Body(bytes, mediaType) };
        using (await _cache.Ask(() => _cache.Retry(() => _cache.Client.Send(Put(), ct), ct)))
        {
            // The response is disposed of at once: held open, its connection would be missing where many manifests are stored at a time.
        }
        var stored = await GetManifest(repository, tag, ct);
        if (stored is null || stored.Digest != digest)
            throw new CopyException(CopyException.Cache,
                $"the cache registry accepted manifest {digest} as {repository}:{tag}, and serves {stored?.Digest ?? "nothing"} there",
                retryHelps: true);
    }

    /// <summary>Deletes a manifest with all its tags; false when it was not there.</summary>
    public async Task<bool> DeleteManifest(string repository, string digest, CancellationToken ct) =>
        await _cache.OrNull(() => _cache.Retry(async () => (bool?)await Delete(repository, digest, ct), ct)) ?? false;

    /// <summary>
    /// Removes one tag and nothing else. Distribution 3 supports it; 2.8 answers 400 and other registries 405: there the tag is first
    /// pointed at a manifest without another tag, and that manifest is deleted.
    /// </summary>
    public async Task RemoveTag(string repository, string tag, CancellationToken ct)
    {
        if (await HeadManifest(repository, tag, ct) is null)
            return;   // version 2.8 would create the repository
        try
        {
            await DeleteManifest(repository, tag, ct);
        }
        catch (CopyException e) when (e.Status is HttpStatusCode.BadRequest or HttpStatusCode.MethodNotAllowed)
        {
            var tombstone = new Tombstone(repository, tag).ToManifest();
            await EnsureDeletionWorks(repository, Digest.Sha256(tombstone), ct);
            await EnsureEmptyBlob(repository, ct);
            await PutManifest(repository, tag, tombstone, MediaTypes.OciManifest, ct);
            await DeleteManifest(repository, Digest.Sha256(tombstone), ct);
        }
    }

    /// <summary>
    /// Deletes an absent manifest, to test that deletion is enabled: otherwise a removal that fails half-way would lose the tag's image.
    /// </summary>
    private async Task EnsureDeletionWorks(string repository, string absentDigest, CancellationToken ct)
    {
        try
        {
            await DeleteManifest(repository, absentDigest, ct);
        }
        catch (CopyException e) when (e.Status is HttpStatusCode.BadRequest or HttpStatusCode.MethodNotAllowed)
        {
            throw new CopyException(
                CopyException.Cache, $"{e.Message}; the registry does not delete (distribution: storage.delete.enabled)",
                retryHelps: true, status: e.Status, inner: e);
        }
    }

    /// <summary>True for the manifest that replaces a removed tag (left over by a crash between two steps).</summary>
    public static bool IsTombstone(Manifest manifest) => ArtifactManifest.TypeOf(manifest.Bytes) == Tombstone.ArtifactType;

    /// <summary>A page of the registry's repositories, in its order; empty after the last one.</summary>
    /// <param name="last">The last of the page before; empty for the first page.</param>
    /// <param name="count">How many.</param>
    /// <param name="ct">Cancels the call.</param>
    /// <exception cref="CopyException">The registry does not answer, or has no such list.</exception>
    public Task<IReadOnlyList<string>> RepositoriesAfter(string last, int count, CancellationToken ct)
    {
        var query = $"n={count}" + (last.Length == 0 ? "" : $"&last={Uri.EscapeDataString(last)}");
        return _cache.Ask(() => _cache.Retry(async () =>
        {
            var answer = await _cache.Client.Send(_cache.Catalog(query), ct);
            return TagList.ParseCatalog(await _cache.Client.ReadWhole(answer, LargestPage, ct)
                ?? throw new RegistryException(RegistryErrorKind.Broken, $"a list of repositories has more than {LargestPage >> 20} MiB"));
        }, ct));
    }

    /// <summary>All tags of a repository; none when it does not exist.</summary>
    public async Task<IReadOnlyList<string>> Tags(string repository, CancellationToken ct)
    {
        const int PageSize = 1000;
        var tags = new HashSet<string>(StringComparer.Ordinal);
        for (var last = ""; ;)
        {
            var page = await _cache.OrNull(() => _cache.Retry(
                async () => (IReadOnlyList<string>?)await TagsAfter(repository, last, PageSize, ct), ct)) ?? [];
            var before = tags.Count;
            tags.UnionWith(page);
            if (page.Count < PageSize || tags.Count == before)   // a registry without pagination returns all at once
                return [.. tags];
            last = page[^1];
        }
    }

    public void Dispose() => _cache.Dispose();

    private async Task<IReadOnlyList<string>> TagsAfter(string repository, string last, int count, CancellationToken ct)
    {
        var path = $"tags/list?n={count}" + (last.Length == 0 ? "" : $"&last={last}");
        var call = new RegistryCall(HttpMethod.Get, _cache.At(repository), path) { Credential = _cache.Credential };
        var answer = await _cache.Client.Send(call, ct);
        return TagList.Parse(repository, await _cache.Client.ReadWhole(answer, LargestPage, ct)
            ?? throw new RegistryException(
                RegistryErrorKind.Broken, $"a page of the list of tags of {repository} has more than {LargestPage >> 20} MiB"));
    }

    private async Task<byte[]> ReadBlob(string repository, string digest, CancellationToken ct)
    {
        var call = new RegistryCall(HttpMethod.Get, _cache.At(repository), "blobs/" + digest) { Credential = _cache.Credential };
        return await _cache.Client.ReadWhole(await _cache.Client.Send(call, ct), PullFromRegistry.LargestManifest, ct)
            ?? throw new RegistryException(RegistryErrorKind.Broken, $"blob {digest} of {repository} is too large for an index");
    }

    private async Task<bool> Delete(string repository, string target, CancellationToken ct)
    {
        var call = _cache.Write(HttpMethod.Delete, repository, "manifests/" + target) with { Actions = "delete" };
        using var _ = await _cache.Client.Send(call, ct);
        return true;
    }

    private static ByteArrayContent Body(byte[] bytes, string mediaType) =>
        new(bytes) { Headers = { ContentType = new MediaTypeHeaderValue(mediaType) } };
}
