using System.Net;
using System.Net.Http.Headers;

namespace Kuik.Oci;

/// <summary>Reading from a registry.</summary>
public static class PullFromRegistry
{
    /// <summary>Largest manifest that is read, in bytes: distribution's own limit (maxManifestBodySize).</summary>
    public const int LargestManifest = 4 * 1024 * 1024;

    /// <summary>How long a HEAD may take that a GET can replace.</summary>
    private static readonly TimeSpan HeadPatience = TimeSpan.FromSeconds(3);

    /// <summary>
    /// Gets a manifest and verifies it against the digest asked for. By tag, a digest header of another representation of it is ignored.
    /// </summary>
    /// <param name="client">The client.</param>
    /// <param name="repository">Where.</param>
    /// <param name="target">A tag or a digest.</param>
    /// <param name="credential">Null for none.</param>
    /// <param name="ct">Ends it.</param>
    /// <exception cref="RegistryException">It could not be had, is larger than 4 MiB, is no manifest, or is not
    /// what its digest says.</exception>
    public static async Task<Manifest> GetManifest(this RegistryClient client, RegistryRepository repository, string target,
        RegistryCredential? credential, CancellationToken ct)
    {
        var call = new RegistryCall(HttpMethod.Get, repository, "manifests/" + target)
        { Credential = credential, Accept = MediaTypes.OriginManifests };
        var answer = await client.Send(call, ct);
        var address = answer.RequestMessage!.RequestUri!;
        var claimed = DigestOf(answer);
        var served = answer.Content.Headers.ContentType?.MediaType;
        var bytes = await client.ReadWhole(answer, LargestManifest, ct)
            ?? throw RegistryException.Unusable(call.Method, address, "a manifest of more than 4 MiB", isTransient: false);

        var shape = ManifestShape.Parse(bytes);
        var wanted = target.Contains(':') ? target : claimed;
        var fits = wanted is not null && ManifestDigest.Fits(wanted, bytes);
        if (!fits && wanted is not null && (wanted == target || shape is null))
            throw RegistryException.Unusable(call.Method, address, $"the body's digest is {Digest.Compute(bytes, wanted)}, not {wanted}");
        var type = (shape is null ? MediaTypes.OfManifest(served) : shape.TypeFor(served)) ?? throw NoManifest(address, served, bytes);
        return new Manifest(bytes, type, fits ? wanted! : ManifestDigest.Compute(bytes));
    }

    private static RegistryException NoManifest(Uri address, string? served, ReadOnlySpan<byte> body) => RegistryException.Unusable(
        HttpMethod.Get, address,
        served == "text/html" || body.TrimStart(" \t\r\n"u8).StartsWith("<"u8)
            ? "a page for a browser came, perhaps of a login or a proxy, and no manifest"
            : $"a body of the type {served ?? "(none)"} came that is no manifest",
        isTransient: false);

    /// <summary>
    /// Asks what a tag or digest is, as a hint: null, which means to ask by GET, for whatever is no answer to that. Some registries answer
    /// HEAD with 401, 403, 404 or an error for what GET gives.
    /// </summary>
    /// <param name="client">The client.</param>
    /// <param name="repository">Where.</param>
    /// <param name="target">A tag or a digest.</param>
    /// <param name="credential">Null for none.</param>
    /// <param name="ct">Ends it.</param>
    /// <exception cref="RegistryException">The registry wants fewer requests.</exception>
    public static async Task<ManifestHead?> HeadManifest(this RegistryClient client, RegistryRepository repository, string target,
        RegistryCredential? credential, CancellationToken ct)
    {
        var call = new RegistryCall(HttpMethod.Head, repository, "manifests/" + target)
        { Credential = credential, Accept = MediaTypes.OriginManifests };
        using var answer = await TryHead(client, call, ct);
        return answer is { StatusCode: HttpStatusCode.OK }
            ? new ManifestHead(DigestOf(answer), MediaTypes.OfManifest(answer.Content.Headers.ContentType?.MediaType), LengthOf(answer))
            : null;
    }

    /// <summary>Sends HEAD for a tag or digest, at a registry whose HEAD is as reliable as its GET: the cache.</summary>
    /// <inheritdoc cref="GetManifest"/>
    public static async Task<ManifestHead> ResolveManifest(
        this RegistryClient client, RegistryRepository repository, string target, RegistryCredential? credential, CancellationToken ct)
    {
        var call = new RegistryCall(HttpMethod.Head, repository, "manifests/" + target)
        { Credential = credential, Accept = MediaTypes.Manifests };
        using var answer = await client.Send(call, ct);
        return new ManifestHead(DigestOf(answer), MediaTypes.OfManifest(answer.Content.Headers.ContentType?.MediaType), LengthOf(answer));
    }

    /// <summary>Begins to get a blob; the caller verifies and disposes of it.</summary>
    /// <param name="client">The client.</param>
    /// <param name="repository">Where.</param>
    /// <param name="digest">The blob's digest.</param>
    /// <param name="range">One part of it; null for all. A registry may answer with the whole or with less, from where the part begins:
    /// see <see cref="BlobBody.Range"/>.</param>
    /// <param name="credential">Null for none.</param>
    /// <param name="ct">Ends it.</param>
    /// <exception cref="RegistryException">It could not be had, or another part came.</exception>
    public static async Task<BlobBody> OpenBlob(this RegistryClient client, RegistryRepository repository, string digest,
        RangeHeaderValue? range, RegistryCredential? credential, CancellationToken ct)
    {
        var answer = await client.Send(new RegistryCall(HttpMethod.Get, repository, "blobs/" + digest)
        { Credential = credential, Range = range }, ct);
        var headers = answer.Content.Headers;
        if (answer.StatusCode != HttpStatusCode.PartialContent)
            return new BlobBody(await client.ReadBody(answer, ct), headers.ContentLength, null);
        if (PartProblem(headers, range) is not { } problem)
            return new BlobBody(await client.ReadBody(answer, ct), headers.ContentLength, headers.ContentRange);
        answer.Dispose();
        throw RegistryException.Unusable(HttpMethod.Get, answer.RequestMessage!.RequestUri!, problem);
    }

    /// <summary>The problem with the head of a 206; null when it is the requested range or the beginning of it.</summary>
    private static string? PartProblem(HttpContentHeaders headers, RangeHeaderValue? asked)
    {
        if (headers.ContentRange is not { Unit: "bytes", HasRange: true } part)
            return headers.ContentType?.MediaType == "multipart/byteranges"
                ? "several parts came where one was asked for" : "a part came, and not which (no Content-Range)";
        if (headers.ContentLength is { } length && length != part.To - part.From + 1)
            return $"the part {part} came with a length of {length}";
        var range = asked?.Ranges.FirstOrDefault();
        var from = asked is null ? 0
            : range?.From ?? (range?.To is { } last && part.Length is { } size ? Math.Max(0, size - last) : part.From);
        return part.From == from ? null : $"the part {part} came, which does not begin at {from}";
    }

    /// <summary>
    /// The size of a blob in bytes (-1 when the registry does not say), or null when it is not there. What HEAD does not say, the head of
    /// the answer to a GET does.
    /// </summary>
    /// <inheritdoc cref="OpenBlob"/>
    public static async Task<long?> HeadBlob(this RegistryClient client, RegistryRepository repository, string digest,
        RegistryCredential? credential, CancellationToken ct)
    {
        var call = new RegistryCall(HttpMethod.Head, repository, "blobs/" + digest) { Credential = credential };
        using (var answer = await TryHead(client, call, ct))
            if (answer is { StatusCode: HttpStatusCode.OK } && LengthOf(answer) is { } length)
                return length;
        try
        {
            using var whole = await client.Send(call with { Method = HttpMethod.Get, IsHeadEnough = true }, ct);
            return whole.Content.Headers.ContentLength ?? -1;
        }
        catch (RegistryException e) when (e.Kind == RegistryErrorKind.Gone)
        {
            return null;
        }
    }

    /// <summary>Checks whether a blob exists, at a registry whose HEAD is as reliable as its GET.</summary>
    /// <inheritdoc cref="OpenBlob"/>
    public static async Task<bool> HasBlob(
        this RegistryClient client, RegistryRepository repository, string digest, RegistryCredential? credential, CancellationToken ct)
    {
        try
        {
            using var _ = await client.Send(new RegistryCall(HttpMethod.Head, repository, "blobs/" + digest) { Credential = credential },
                ct);
            return true;
        }
        catch (RegistryException e) when (e.Kind == RegistryErrorKind.Gone)
        {
            return false;
        }
    }

    /// <summary>
    /// The answer to a HEAD that GET can replace; null when there is none, and at once when the host has left one
    /// without an answer a short while ago.
    /// </summary>
    private static async Task<HttpResponseMessage?> TryHead(RegistryClient client, RegistryCall call, CancellationToken ct)
    {
        if (client.HangsOnHead(call.Repository.Host))
            return null;
        try
        {
            return await client.Send(call with { Patience = HeadPatience }, ct);
        }
        catch (RegistryException e) when (e.Kind != RegistryErrorKind.RateLimited)
        {
            if (e.InnerException is TimeoutException)
                client.SawHangOnHead(call.Repository.Host);
            return null;
        }
    }

    /// <summary>Some servers answer every HEAD with 0: nothing with a digest here is empty, except a blob, whose GET states it.</summary>
    private static long? LengthOf(HttpResponseMessage head) => head.Content.Headers.ContentLength is > 0 and var length ? length : null;

    private static string? DigestOf(HttpResponseMessage answer) =>
        answer.Headers.NonValidated.TryGetValues("Docker-Content-Digest", out var values)
            && Contracts.ImageReference.IsDigest(values.ToString()) ? values.ToString() : null;
}
