using Kuik.Oci;
using Kuik.Testing;

namespace Kuik.IntegrationTests.NodeProxy;

/// <summary>Puts images into a cache registry as image-fetcher does, so that node-proxy can be tested alone.</summary>
internal static class StoreInCache
{
    /// <summary>Where the cache keeps an origin's repository.</summary>
    public static string PathOf(Registry origin, string repository) => $"{origin.Host.Replace(':', '_')}/{repository}";

    /// <summary>A single manifest: byte for byte under its tag and under the one that holds it.</summary>
    public static async Task Store(this Registry cache, string path, string? tag, TestImage image)
    {
        await cache.Push(path, CacheTags.OfManifest(image.Digest), image);
        if (tag is not null)
            await cache.Push(path, tag, image);
    }

    /// <summary>An index: the given children, each held, then the index in a wrapper under its tag and the one that holds it.</summary>
    public static async Task Store(this Registry cache, string path, string tag, TestIndex index, params TestImage[] children)
    {
        foreach (var child in children)
            await cache.Store(path, null, child);
        using var http = cache.Client(path);
        await PushImage.PushBlob(http, path, index.Digest, index.Bytes);
        var wrapper = new IndexWrapper(index.Digest, index.MediaType, index.Bytes.Length).ToManifest();
        await PushImage.PushArtifact(http, path, wrapper, tag, CacheTags.OfManifest(index.Digest));
    }

    /// <summary>The manifest that an eviction leaves under a tag of a registry that cannot delete one.</summary>
    public static async Task Bury(this Registry cache, string path, string tag)
    {
        using var http = cache.Client(path);
        await PushImage.PushArtifact(http, path, new Tombstone(path, tag).ToManifest(), tag);
    }
}
