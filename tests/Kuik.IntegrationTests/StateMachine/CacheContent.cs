using System.Net;
using System.Text.Json.Nodes;
using Kuik.Contracts;
using Kuik.Oci;
using Kuik.Testing;

namespace Kuik.IntegrationTests.StateMachine;

/// <summary>The content of the cache registry, and of the volume below it.</summary>
internal sealed class CacheContent(Registry cache)
{
    /// <summary>The digest that an image's tag names in the cache; empty when there is no such tag, or only what an eviction writes under
    /// it to remove it; null when the registry does not answer.</summary>
    public async Task<string?> DigestOf(string image)
    {
        var (status, digest, bytes) = await Get(image, $"manifests/{ImageReference.Parse(image).Target}");
        return status switch
        {
            HttpStatusCode.OK => ArtifactManifest.TypeOf(bytes) == Tombstone.ArtifactType ? "" : digest,
            HttpStatusCode.NotFound => "",
            _ => null,
        };
    }

    /// <summary>The fault of an image in the cache: a missing or damaged part; null when every byte is what its digest says.</summary>
    public async Task<string?> FindFault(string image)
    {
        var target = ImageReference.Parse(image).Target;
        var (status, digest, bytes) = await Get(image, $"manifests/{target}");
        if (status != HttpStatusCode.OK)
            return $"its tag is not there ({(int?)status})";
        if (TestBlob.DigestOf(bytes) != digest)
            return $"its manifest {digest} is damaged";
        var manifest = JsonNode.Parse(bytes)!;
        foreach (var part in manifest["layers"]!.AsArray().Append(manifest["config"]))
        {
            var blob = (string)part!["digest"]!;
            var (found, _, content) = await Get(image, $"blobs/{blob}");
            if (found != HttpStatusCode.OK)
                return $"its blob {blob} is not there ({(int?)found})";
            if (TestBlob.DigestOf(content) != blob)
                return $"its blob {blob} is damaged";
        }
        return null;
    }

    /// <summary>Removes a tag from the volume, as a restored backup does.</summary>
    /// <returns>False when there was none.</returns>
    public bool RemoveTag(string image)
    {
        var reference = ImageReference.Parse(image);
        var folder = Path.Combine(
            cache.DataFolder, "docker/registry/v2/repositories", CachePath.Of(reference), "_manifests/tags", reference.Target);
        if (!Directory.Exists(folder))
            return false;
        Directory.Delete(folder, recursive: true);
        return true;
    }

    /// <summary>Removes a blob from the volume, or changes a byte of it.</summary>
    /// <returns>False when there was none.</returns>
    public async Task<bool> Spoil(string digest, bool isRemoved)
    {
        var file = Path.Combine(cache.DataFolder, "docker/registry/v2/blobs/sha256", digest[7..9], digest[7..], "data");
        if (!File.Exists(file))
            return false;
        if (isRemoved)
        {
            File.Delete(file);
            return true;
        }
        var bytes = await File.ReadAllBytesAsync(file);
        bytes[bytes.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(file, bytes);
        return true;
    }

    private async Task<(HttpStatusCode? Status, string? Digest, byte[] Bytes)> Get(string image, string what)
    {
        using var http = cache.Client("");
        using var request = new HttpRequestMessage(
            HttpMethod.Get, new Uri($"/v2/{CachePath.Of(ImageReference.Parse(image))}/{what}", UriKind.Relative));
        foreach (var type in MediaTypes.Manifests)
            request.Headers.Accept.ParseAdd(type);
        try
        {
            using var answer = await http.SendAsync(request);
            var digest = answer.Headers.TryGetValues("Docker-Content-Digest", out var values) ? values.First() : null;
            return (answer.StatusCode, digest, await answer.Content.ReadAsByteArrayAsync());
        }
        catch (HttpRequestException)
        {
            return (null, null, []);   // stopped by the schedule
        }
    }
}
