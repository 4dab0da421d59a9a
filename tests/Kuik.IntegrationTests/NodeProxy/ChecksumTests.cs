using System.IO.Hashing;
using Kuik.NodeProxy;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Kuik.IntegrationTests.NodeProxy;

/// <summary>
/// A large blob of the cache is checked by the checksum that image-fetcher left beside it, and by its digest where there is none to rely
/// on. The cache is a script: a real one keeps no wrong checksums and does not fall silent on command.
/// </summary>
public sealed class ChecksumTests
{
    private static readonly TestImage Image = TestImage.Small(seed: 41, (int)BlobChecksum.WorthIt + 1_000_000);
    private static readonly TestBlob Layer = Image.Layers[^1];

    [Theory]
    [InlineData(0)]
    [InlineData(3_000_000)]
    [InlineData(-1)]
    public async Task One_wrong_byte_anywhere_keeps_the_last_bytes_back_and_the_next_pull_goes_elsewhere(int at)
    {
        var origin = await Registry.Start();
        await origin.Push("a/b", "1", Image);
        var bytes = Layer.Bytes.ToArray();
        await using var cache = await Cache(bytes, Checksum());
        using var client = await Client(cache, origin.Endpoint);
        var path = $"/v2/{StoreInCache.PathOf(origin, "a/b")}/blobs/{Layer.Digest}";
        Assert.Equal(Layer.Bytes, await client.GetByteArrayAsync(path));

        bytes[at < 0 ? ^1 : at] ^= 1;

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => client.GetByteArrayAsync(path));
        Assert.Equal(Layer.Bytes, await client.GetByteArrayAsync(path));
    }

    [Fact]
    public async Task It_is_the_checksum_that_is_looked_at_where_there_is_one()
    {
        await using var cache = await Cache(Layer.Bytes, Checksum() with { Xxh128 = new string('0', 32) });
        using var client = await Client(cache, StartNodeProxy.ClosedPort());

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => client.GetByteArrayAsync(Path));
    }

    [Fact]
    public async Task What_the_cache_breaks_off_is_continued_from_the_origin_and_checked_to_the_end()
    {
        var origin = await Registry.Start();
        await origin.Push("a/b", "1", Image);
        await using var cache =
            await ScriptedServer.Start(http => http.Request.Path.Value!.Contains("/manifests/", StringComparison.Ordinal)
            ? SendChecksum(http, Checksum().ToManifest())
            : ScriptedServer.SendSome(http, Layer.Bytes, 2_000_000));
        using var client = await Client(cache, origin.Endpoint);

        Assert.Equal(Layer.Bytes, await client.GetByteArrayAsync($"/v2/{StoreInCache.PathOf(origin, "a/b")}/blobs/{Layer.Digest}"));
    }

    public static TheoryData<string> Unreliable =>
        ["none", "of another blob", "of another size", "no JSON", "other bytes than its digest says", "broken off", "silent"];

    [Theory]
    [MemberData(nameof(Unreliable))]
    public async Task Without_a_checksum_to_rely_on_the_digest_decides(string kind)
    {
        var bytes = Layer.Bytes.ToArray();
        await using var cache =
            await ScriptedServer.Start(http => http.Request.Path.Value!.Contains("/manifests/", StringComparison.Ordinal)
            ? SendUnreliable(http, kind)
            : ScriptedServer.Send(http, bytes));
        using var client = await Client(cache, StartNodeProxy.ClosedPort());

        Assert.Equal(Layer.Bytes, await client.GetByteArrayAsync(Path));
        bytes[^1] ^= 1;

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => client.GetByteArrayAsync(Path));
    }

    private static string Path => $"/v2/reg.example.com/a/blobs/{Layer.Digest}";

    private static BlobChecksum Checksum() => new(Layer.Digest, Layer.Bytes.Length, Convert.ToHexStringLower(XxHash128.Hash(Layer.Bytes)));

    private static Task<ScriptedServer> Cache(byte[] blob, BlobChecksum checksum) => ScriptedServer.Start(http =>
        http.Request.Path.Value!.EndsWith(CacheTags.OfChecksum(Layer.Digest), StringComparison.Ordinal)
            ? SendChecksum(http, checksum.ToManifest())
            : ScriptedServer.Send(http, blob));

    private static Task SendUnreliable(HttpContext http, string kind)
    {
        var wrong = Checksum() with { Xxh128 = new string('0', 32) };   // a client of it refuses the right bytes
        switch (kind)
        {
            case "of another blob":
                return SendChecksum(http, (wrong with { Digest = Image.Config.Digest }).ToManifest());
            case "of another size":
                return SendChecksum(http, (wrong with { Size = wrong.Size + 1 }).ToManifest());
            case "no JSON":
                return SendChecksum(http, wrong.ToManifest()[..^10]);
            case "other bytes than its digest says":
                return SendChecksum(http, wrong.ToManifest(), Checksum().ToManifest());
            case "broken off":
                return ScriptedServer.SendSome(http, wrong.ToManifest(), 10);
            case "silent":
                return Task.Delay(Timeout.Infinite, http.RequestAborted);
            default:
                http.Response.StatusCode = 404;
                return Task.CompletedTask;
        }
    }

    private static Task SendChecksum(HttpContext http, byte[] manifest, byte[]? named = null)
    {
        http.Response.Headers["Docker-Content-Digest"] = DigestCheck.Compute(named ?? manifest);
        return ScriptedServer.Send(http, manifest, MediaTypes.OciManifest);
    }

    private static async Task<HttpClient> Client(ScriptedServer cache, Uri origin) =>
        new() { BaseAddress = (await StartNodeProxy.With(cache.Endpoint, fetcher: null, origin)).Endpoint };
}
