using System.Net;
using System.Net.Http.Headers;
using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>
/// The cache registry, anonymously. An index that it could not hold as a manifest lies in a wrapper (see <see cref="IndexWrapper"/>) and is
/// taken out here; wrappers and tombstones themselves are never served.
/// </summary>
internal sealed class CacheSource(SourceEndpoint cache, ProxyOptions options, TimeProvider time) : IPullSource
{
    /// <summary>Registries take no larger manifest than 4 MiB; an index in a wrapper could be larger.</summary>
    private const int LargestManifest = 8 << 20;
    private const int MostRedirects = 5;

    /// <summary>How long a blob waits for its checksum: as long as hashing a good part of it would take.</summary>
    private static readonly TimeSpan ChecksumPatience = TimeSpan.FromMilliseconds(200);

    public const string CacheName = "cache";

    public string Name => CacheName;

    public async Task<Answer> AskManifest(ImageReference image, bool onlyHead, CancellationToken ct)
    {
        using var read = new BodyReader(options.NoProgressLimit, time, ct);
        var path = $"/v2/{CachePath.Of(image)}";
        try
        {
            // 1. Under its own tag; a referrer, under the hidden tag of referrers.
            if (image.Tag is { } tag && CacheTags.IsOurs(tag))
                return new Answer.Passed("a tag of the cache's own");
            var (found, problem) = await Get($"{path}/manifests/{image.Target}", MediaTypes.Manifests, read, ct);
            if (problem is null && image.Tag is not null && CacheTags.OfCopiedReferrer(image.Tag) is { } hidden
                && (found is null || KeptManifest.Parse(found.Bytes) is { IsTombstone: true }))
                (found, problem) = await Get($"{path}/manifests/{hidden}", MediaTypes.Manifests, read, ct);
            if (found is null && (problem is not null || image.Digest is null))
                return new Answer.Passed(problem ?? "not cached", IsSilent: problem is not null);

            // 2. A digest that is no manifest there may be an index in a wrapper, under the tag that holds it.
            if (found is null)
                (found, problem) = await Get($"{path}/manifests/{CacheTags.OfManifest(image.Digest!)}", MediaTypes.Manifests, read, ct);
            if (found is null)
                return new Answer.Passed(problem ?? "not cached", IsSilent: problem is not null);

            // 3. Take the index out of its wrapper.
            if (KeptManifest.Parse(found.Bytes) is { } kept)
            {
                if (kept.Wrapper is not { } wrapper)
                    return new Answer.Passed(kept.IsTombstone ? "evicted" : "not a manifest of an image");
                if (image.Digest is { } asked && wrapper.Digest != asked)
                    return new Answer.Passed("the wrapper there holds another index");
                (found, problem) = await Get($"{path}/blobs/{wrapper.Digest}", [], read, ct);
                if (found is null)
                    return new Answer.Passed(problem ?? "the wrapper's index is gone", IsSilent: problem is not null);
                found = new Found(found.Bytes, wrapper.MediaType, wrapper.Digest);
            }

            // 4. Serve only bytes that have the requested digest.
            var digest = image.Digest ?? found.Digest ?? DigestCheck.Compute(found.Bytes);
            return DigestCheck.Fits(digest, found.Bytes)
                ? new Answer.ManifestAnswer(digest, found.MediaType, found.Bytes.Length, found.Bytes)
                : new Answer.Passed("CORRUPT: the bytes there are not those of the digest");
        }
        catch (IOException broken)
        {
            return new Answer.Passed($"the body broke off ({broken.Message})", IsSilent: true);
        }
    }

    public async Task<Answer> AskBlob(ImageReference image, bool onlyHead, RangeHeaderValue? range, CancellationToken ct)
    {
        if (cache.Endpoint is not { } endpoint)
            return new Answer.Passed(SourceEndpoint.NoAddress);
        var target = new Uri(endpoint, $"/v2/{CachePath.Of(image)}/blobs/{image.Digest}");
        for (var redirects = 0; redirects <= MostRedirects; redirects++)
        {
            var ask = new HttpRequestMessage(onlyHead ? HttpMethod.Head : HttpMethod.Get, target);
            ask.Headers.Range = range;
            var (answer, problem) = await cache.Ask(ask, ct);
            if (answer is null)
                return new Answer.Passed(problem!);
            if (answer.StatusCode is HttpStatusCode.OK or HttpStatusCode.PartialContent)
            {
                var found = Answer.Blob.From(answer, range);
                return !onlyHead && found is Answer.Blob { Part: null, Length: >= BlobChecksum.WorthIt and var size } large
                    ? large with { Checksum = await FindChecksum(image, size, ct) }
                    : found;
            }
            using (answer)
            {
                if (answer.StatusCode is HttpStatusCode.RequestedRangeNotSatisfiable)
                    return new Answer.Refused(416, RegistryErrors.Body("RANGE_INVALID", "the blob has no such part"), null)
                    {
                        ContentRange = Answer.Refused.SizeIn(answer),
                    };
                if (UriReference.LocationOf(answer) is not { } location)
                    return new Answer.Passed(WhyNot(answer));
                if (Resolve(target, location) is not { } next)
                    return new Answer.Passed("it redirects to no address");
                target = next;
                if (options.PassesRedirects)
                    return new Answer.Elsewhere((int)answer.StatusCode, target);
            }
        }
        return new Answer.Passed($"more than {MostRedirects} redirects");
    }

    /// <summary>
    /// The list that followed the image here; else the registry's own, if it has that API and anything in it: what followed no image is
    /// not in it.
    /// </summary>
    public async Task<Answer> AskReferrers(ImageReference image, CancellationToken ct)
    {
        if (CacheTags.OfReferrers(image.Digest!) is [var kept, ..]
            && await AskManifest(image.With(kept), onlyHead: false, ct) is Answer.ManifestAnswer { MediaType: MediaTypes.OciIndex } list)
            return list;
        using var read = new BodyReader(options.NoProgressLimit, time, ct);
        try
        {
            var (found, problem) = await Get($"/v2/{CachePath.Of(image)}/referrers/{image.Digest}", [MediaTypes.OciIndex], read, ct);
            return found is not null && ReferrersEndpoint.HasEntries(found.Bytes)
                ? found.HasNextPage
                ? new Answer.Pages()
                : new Answer.ManifestAnswer(DigestCheck.Compute(found.Bytes), MediaTypes.OciIndex, found.Bytes.Length, found.Bytes)
                : new Answer.Passed(problem ?? "not cached", IsSilent: problem is not null);
        }
        catch (IOException broken)
        {
            return new Answer.Passed($"the body broke off ({broken.Message})", IsSilent: true);
        }
    }

    /// <summary>The checksum that image-fetcher stored beside a blob; null when there is none, or an unusable one.</summary>
    private async Task<BlobChecksum?> FindChecksum(ImageReference image, long size, CancellationToken ct)
    {
        using var tooLate = new CancellationTokenSource(ChecksumPatience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, tooLate.Token);
        using var read = new BodyReader(options.NoProgressLimit, time, either.Token);
        try
        {
            var (found, _) = await Get($"/v2/{CachePath.Of(image)}/manifests/{CacheTags.OfChecksum(image.Digest!)}",
                [MediaTypes.OciManifest], read, either.Token);
            return found is not null && (found.Digest is null || DigestCheck.Fits(found.Digest, found.Bytes))
                && BlobChecksum.Parse(found.Bytes) is { } checksum && checksum.Digest == image.Digest && checksum.Size == size
                    ? checksum
                    : null;
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            return null;   // the digest says it too
        }
    }

    // Null without a problem: it is not there.
    private async Task<(Found? Found, string? Problem)> Get(string path, IReadOnlyList<string> accept, BodyReader read,
        CancellationToken ct)
    {
        if (cache.Endpoint is not { } endpoint)
            return (null, SourceEndpoint.NoAddress);
        var target = new Uri(endpoint, path);
        for (var redirects = 0; redirects <= MostRedirects; redirects++)
        {
            var ask = new HttpRequestMessage(HttpMethod.Get, target);
            if (accept.Count > 0)
                ask.Headers.TryAddWithoutValidation("Accept", accept);
            var (answer, problem) = await cache.Ask(ask, ct);
            if (answer is null)
                return (null, problem);
            using (answer)
            {
                if (answer.StatusCode is HttpStatusCode.NotFound)
                    return (null, null);
                if (UriReference.LocationOf(answer) is { } location)
                {
                    if (Resolve(target, location) is not { } next)
                        return (null, "it redirects to no address");
                    target = next;
                    continue;
                }
                if (answer.StatusCode is not HttpStatusCode.OK)
                    return (null, WhyNot(answer));
                if (await read.Whole(answer, LargestManifest) is not { } bytes)
                    return (null, "larger than a manifest may be");
                var served = answer.Content.Headers.ContentType?.MediaType;
                var type = ManifestShape.Parse(bytes)?.TypeFor(served);
                if (type is null && accept.Count > 0 && !path.Contains(':', StringComparison.Ordinal))
                    // by digest, the digest decides
                    return (null, $"it answered with something that is no manifest ({served ?? "of no type"})");
                var digest = answer.Headers.TryGetValues("Docker-Content-Digest", out var named) && ImageReference.IsDigest(named.First())
                    ? named.First()
                    : null;
                return (new Found(bytes, type ?? MediaTypes.OfManifest(served) ?? MediaTypes.OciManifest, digest,
                    answer.Headers.Contains("Link")), null);
            }
        }
        return (null, $"more than {MostRedirects} redirects");
    }

    private static Uri? Resolve(Uri address, string location)
    {
        try
        {
            return UriReference.Resolve(address, location);
        }
        catch (UriFormatException)
        {
            return null;
        }
    }

    private static string WhyNot(HttpResponseMessage answer) => answer.StatusCode is HttpStatusCode.NotFound
        ? "not cached"
        : $"it answered {(int)answer.StatusCode}";

    private sealed record Found(byte[] Bytes, string MediaType, string? Digest, bool HasNextPage = false);
}
