using System.Net;
using System.Text.Json;
using Kuik.Contracts;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>Reads a cache registry as node-proxy does: a tag, else the hold of a digest, unwrapped.</summary>
internal static class ReadCache
{
    /// <summary>The origin's bytes under a tag or digest; null when there are none.</summary>
    public static async Task<(byte[] Bytes, string MediaType)?> Manifest(this Registry cache, string name, string? target = null)
    {
        var image = ImageReference.Parse(name);
        target ??= image.Target;
        using var http = cache.Client(CachePath.Of(image));
        var path = $"/v2/{CachePath.Of(image)}/manifests/{(target.Contains(':') ? CacheTags.OfManifest(target) : target)}";
        http.DefaultRequestHeaders.TryAddWithoutValidation("Accept", string.Join(", ", MediaTypes.Manifests));
        HttpResponseMessage? asked = null;
        await Eventually.True(async () =>
        {
            asked?.Dispose();
            asked = await http.GetAsync(new Uri(path, UriKind.Relative));
            return asked.StatusCode != HttpStatusCode.InternalServerError;   // which it says of a tag that is just being written
        }, "the cache can read the tag");
        using var answer = asked!;
        if (answer.StatusCode == HttpStatusCode.NotFound)
            return null;
        answer.EnsureSuccessStatusCode();
        var bytes = await answer.Content.ReadAsByteArrayAsync();
        return IndexWrapper.Parse(bytes) is { } wrapper
            ? (await Blob(cache, name, wrapper.Digest) ?? throw new InvalidOperationException("a wrapper without its index"),
                wrapper.MediaType)
            : (bytes, answer.Content.Headers.ContentType!.ToString());
    }

    /// <summary>A blob's bytes; null when it is not there.</summary>
    public static async Task<byte[]?> Blob(this Registry cache, string name, string digest)
    {
        var repository = CachePath.Of(ImageReference.Parse(name));
        using var http = cache.Client(repository);
        using var answer = await http.GetAsync(new Uri($"/v2/{repository}/blobs/{digest}", UriKind.Relative));
        return answer.StatusCode == HttpStatusCode.NotFound ? null : await answer.EnsureSuccessStatusCode().Content.ReadAsByteArrayAsync();
    }

    /// <summary>All tags of an image's repository, sorted.</summary>
    public static async Task<IReadOnlyList<string>> Tags(this Registry cache, string name)
    {
        var repository = CachePath.Of(ImageReference.Parse(name));
        using var http = cache.Client(repository);
        using var answer = await http.GetAsync(new Uri($"/v2/{repository}/tags/list", UriKind.Relative));
        if (answer.StatusCode == HttpStatusCode.NotFound)
            return [];
        using var json = JsonDocument.Parse(await answer.Content.ReadAsByteArrayAsync());
        var tags = json.RootElement.GetProperty("tags");
        return tags.ValueKind == JsonValueKind.Null
            ? []
            : [.. tags.EnumerateArray().Select(tag => tag.GetString()!).Order(StringComparer.Ordinal)];
    }

    /// <summary>Asserts that an image of one platform is there, byte for byte.</summary>
    public static async Task AssertHas(this Registry cache, string name, TestImage image)
    {
        foreach (var target in new[] { null, image.Digest })
        {
            var stored = await cache.Manifest(name, target);
            Assert.NotNull(stored);
            Assert.Equal(image.Bytes, stored.Value.Bytes);
            Assert.Equal(image.MediaType, stored.Value.MediaType);
        }
        await cache.AssertHasBlobs(name, image);
    }

    /// <summary>Asserts that an index is there, byte for byte, with this child and no other.</summary>
    public static async Task AssertHas(this Registry cache, string name, TestIndex index, params string[] platforms)
    {
        foreach (var target in new[] { null, index.Digest })
        {
            var stored = await cache.Manifest(name, target);
            Assert.NotNull(stored);
            Assert.Equal(index.Bytes, stored.Value.Bytes);
            Assert.Equal(index.MediaType, stored.Value.MediaType);
        }
        foreach (var child in index.Children)
            if (platforms.Contains(child.Platform))
            {
                Assert.Equal(child.Bytes, (await cache.Manifest(name, child.Digest))?.Bytes);
                await cache.AssertHasBlobs(name, child);
            }
            else
                Assert.Null(await cache.Manifest(name, child.Digest));
    }

    private static async Task AssertHasBlobs(this Registry cache, string name, TestImage image)
    {
        foreach (var blob in image.Blobs)
            Assert.Equal(blob.Bytes, await cache.Blob(name, blob.Digest));
    }
}
