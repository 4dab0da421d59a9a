using System.Net;
using System.Net.Http.Headers;

namespace Kuik.Oci;

/// <summary>A manifest or index, byte for byte.</summary>
/// <param name="Bytes">As served.</param>
/// <param name="MediaType">As served.</param>
/// <param name="Digest">Of the bytes: the one asked for, or their sha256.</param>
public sealed record Manifest(byte[] Bytes, string MediaType, string Digest);

/// <summary>What a registry says about a manifest without sending it.</summary>
/// <param name="Digest">Null when it did not say.</param>
/// <param name="MediaType">Null when it did not say.</param>
/// <param name="SizeInBytes">Null when it did not say.</param>
public sealed record ManifestHead(string? Digest, string? MediaType, long? SizeInBytes);

/// <summary>A blob on its way.</summary>
/// <param name="Body">What comes, unverified. A break is a <see cref="RegistryError"/>.</param>
/// <param name="Length">Of this body in bytes; null when the registry did not say.</param>
/// <param name="Range">What part it is; null for the whole blob, also where a part was asked for.</param>
public sealed record BlobBody(Stream Body, long? Length, ContentRangeHeaderValue? Range) : IAsyncDisposable
{
    public ValueTask DisposeAsync() => Body.DisposeAsync();
}

/// <summary>Reading from a registry.</summary>
public static class PullFromRegistry
{
    /// <summary>Largest manifest that is read, in bytes: what distribution accepts (reference: its maxManifestBodySize).</summary>
    public const int LargestManifest = 4 * 1024 * 1024;

    /// <summary>Gets a manifest and verifies it against the digest asked for and the one the registry claims.</summary>
    /// <param name="client">The client.</param>
    /// <param name="repository">Where.</param>
    /// <param name="target">A tag or a digest.</param>
    /// <param name="credential">Null for none.</param>
    /// <param name="stop">Ends it.</param>
    /// <exception cref="RegistryError">It could not be had, is larger than 4 MiB, or is not what its digest says.</exception>
    public static async Task<Manifest> GetManifest(this RegistryClient client, RegistryRepository repository, string target, RegistryCredential? credential, CancellationToken stop)
    {
        var call = new RegistryCall(HttpMethod.Get, repository, "manifests/" + target) { Credential = credential, Accept = MediaTypes.Manifests };
        var answer = await client.Send(call, stop);
        var address = answer.RequestMessage!.RequestUri!;
        var claimed = DigestOf(answer);
        var type = answer.Content.Headers.ContentType?.MediaType;
        if (type == "text/html")
        {
            answer.Dispose();
            throw RegistryError.Unusable(call.Method, address, "a page for a browser came, perhaps of a login or a proxy, and no manifest", isTransient: false);
        }
        await using var body = await client.ReadBody(answer, stop);
        var bytes = await ReadAtMost(body, LargestManifest, stop) ?? throw RegistryError.Unusable(call.Method, address, "a manifest of more than 4 MiB", isTransient: false);

        var wanted = target.Contains(':') ? target : claimed;
        var digest = wanted is null ? Digest.Sha256(bytes) : Digest.Of(bytes, wanted);
        if (wanted is not null && digest != wanted)
            throw RegistryError.Unusable(call.Method, address, $"the body's digest is {digest}, not {wanted}");
        return new Manifest(bytes, ManifestType.Of(type, bytes), digest);
    }

    /// <summary>Asks what a tag or digest is. Null when the registry does not answer HEAD (405, or a 400 as some do).</summary>
    /// <inheritdoc cref="GetManifest"/>
    public static async Task<ManifestHead?> HeadManifest(this RegistryClient client, RegistryRepository repository, string target, RegistryCredential? credential, CancellationToken stop)
    {
        try
        {
            using var answer = await client.Send(new RegistryCall(HttpMethod.Head, repository, "manifests/" + target) { Credential = credential, Accept = MediaTypes.Manifests }, stop);
            return new ManifestHead(DigestOf(answer), answer.Content.Headers.ContentType?.MediaType, answer.Content.Headers.ContentLength);
        }
        catch (RegistryError e) when (e.Status is HttpStatusCode.MethodNotAllowed or HttpStatusCode.BadRequest or HttpStatusCode.NotImplemented)
        {
            return null;
        }
    }

    /// <summary>Begins to get a blob; the caller verifies and disposes of it.</summary>
    /// <param name="client">The client.</param>
    /// <param name="repository">Where.</param>
    /// <param name="digest">Which.</param>
    /// <param name="range">A part of it; null for all. A registry may answer with the whole: see <see cref="BlobBody.Range"/>.</param>
    /// <param name="credential">Null for none.</param>
    /// <param name="stop">Ends it.</param>
    /// <exception cref="RegistryError">It could not be had.</exception>
    public static async Task<BlobBody> OpenBlob(this RegistryClient client, RegistryRepository repository, string digest, RangeHeaderValue? range, RegistryCredential? credential, CancellationToken stop)
    {
        var answer = await client.Send(new RegistryCall(HttpMethod.Get, repository, "blobs/" + digest) { Credential = credential, Range = range }, stop);
        var headers = answer.Content.Headers;
        var part = answer.StatusCode == HttpStatusCode.PartialContent ? headers.ContentRange : null;
        return new BlobBody(await client.ReadBody(answer, stop), headers.ContentLength, part);
    }

    /// <summary>The size of a blob in bytes (-1 when the registry does not say), or null when it is not there.</summary>
    /// <inheritdoc cref="OpenBlob"/>
    public static async Task<long?> HeadBlob(this RegistryClient client, RegistryRepository repository, string digest, RegistryCredential? credential, CancellationToken stop)
    {
        try
        {
            using var answer = await client.Send(new RegistryCall(HttpMethod.Head, repository, "blobs/" + digest) { Credential = credential }, stop);
            return answer.Content.Headers.ContentLength ?? -1;
        }
        catch (RegistryError e) when (e.Kind == RegistryErrorKind.Gone)
        {
            return null;
        }
    }

    private static string? DigestOf(HttpResponseMessage answer) =>
        answer.Headers.NonValidated.TryGetValues("Docker-Content-Digest", out var values) && Contracts.ImageReference.IsDigest(values.ToString()) ? values.ToString() : null;

    internal static async Task<byte[]?> ReadAtMost(Stream body, int most, CancellationToken stop)
    {
        using var bytes = new MemoryStream();
        var buffer = new byte[32 * 1024];
        int got;
        while ((got = await body.ReadAsync(buffer, stop)) > 0)
        {
            if (bytes.Length + got > most)
                return null;
            bytes.Write(buffer, 0, got);
        }
        return bytes.ToArray();
    }
}
