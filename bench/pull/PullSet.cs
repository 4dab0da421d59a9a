using System.IO.Hashing;
using System.Security.Cryptography;
using Kuik.Oci;
using Kuik.Testing;

namespace Kuik.Bench.Pull;

/// <summary>Something to pull.</summary>
/// <param name="Path">Of the request; the same at every server.</param>
/// <param name="Size">In bytes.</param>
internal sealed record PullItem(string Path, long Size);

/// <summary>
/// The images to pull, and their storage: manifests in a registry, blobs as files of an nginx that forwards
/// everything else to the registry.
/// </summary>
/// <param name="Registry">Docker's, with the manifest and the small blob.</param>
/// <param name="Store">That nginx: the cache that the proxies stand before.</param>
/// <param name="Manifest">By tag, some 10 KB.</param>
/// <param name="Small">20 KB.</param>
/// <param name="Layer">200 MB, its checksum beside it as image-fetcher leaves it.</param>
/// <param name="Bare">201 MB without one.</param>
/// <param name="Gigabyte">1 GB, with its checksum.</param>
internal sealed record PullSet(PullServer Registry, PullServer Store, PullItem Manifest, PullItem Small, PullItem Layer, PullItem Bare,
    PullItem Gigabyte)
{
    private const string Repository = "registry.example.com/team/web";
    private const int Megabyte = 1_000_000;

    public static async Task<PullSet> Make()
    {
        var registry = await Kuik.Testing.Registry.Start();
        var blobs = Sandbox.Shared.NewFolder("blobs");
        var image = TestImage.Of(
            [TestLayer.Random(seed: 0, 20_000), .. Enumerable.Range(1, 60).Select(layer => TestLayer.Random(layer, 100))]);
        await registry.Push(Repository, "1", image);
        var small = image.Layers[0];
        await File.WriteAllBytesAsync(Path.Combine(blobs, small.Digest), small.Bytes);
        var (layer, bare, gigabyte) = (WriteBlob(blobs, 200), WriteBlob(blobs, 201), WriteBlob(blobs, 1000));
        using var http = registry.Client(Repository);
        foreach (var checksum in new[] { layer, gigabyte })
            await PushImage.PushArtifact(http, Repository, checksum.ToManifest(), CacheTags.OfChecksum(checksum.Digest));
        return new PullSet(new PullServer("registry", registry.Endpoint, registry.Process), await StartNginx.Store(registry, blobs),
            new PullItem($"/v2/{Repository}/manifests/1", image.Bytes.Length), BlobItem(small.Digest, small.Bytes.Length),
            BlobItem(layer), BlobItem(bare), BlobItem(gigabyte));
    }

    private static PullItem BlobItem(BlobChecksum blob) => BlobItem(blob.Digest, blob.Size);

    private static PullItem BlobItem(string digest, long size) => new($"/v2/{Repository}/blobs/{digest}", size);

    // Random bytes, a megabyte of them again and again with its number before it.
    private static BlobChecksum WriteBlob(string folder, int megabytes)
    {
        var bytes = new byte[Megabyte];
        new Random(megabytes).NextBytes(bytes);
        var path = Path.Combine(folder, $"{megabytes} MB");
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var checksum = new XxHash128();
        using (var file = File.Create(path))
        {
            for (var i = 0; i < megabytes; i++)
            {
                BitConverter.TryWriteBytes(bytes, i);
                hash.AppendData(bytes);
                checksum.Append(bytes);
                file.Write(bytes);
            }
        }
        var digest = "sha256:" + Convert.ToHexStringLower(hash.GetHashAndReset());
        File.Move(path, Path.Combine(folder, digest));
        return new BlobChecksum(digest, (long)megabytes * Megabyte, BlobChecksum.Compute(checksum));
    }
}
