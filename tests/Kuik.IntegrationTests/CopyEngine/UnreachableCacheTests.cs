using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>A cache registry whose node is gone: it takes no connection, and says nothing.</summary>
public sealed class UnreachableCacheTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_cache_that_takes_no_connection_does_not_fail_a_pull()
    {
        var origin = await Registry.Start();
        var image = TestImage.Small(seed: 61);
        var name = await origin.Push("team/web", "1", image);
        using var silent = new FullListener();
        await using var engine = await StartEngine.Run(
            await Registry.Start(), [origin.Host], settings: ("Kuik:Cache:Endpoint", $"http://127.0.0.1:{silent.Port}/"));
        using var client = engine.Client();

        Assert.Equal(image.Bytes, await (await client.Ask(HttpMethod.Get, name, "manifests/1")).Content.ReadAsByteArrayAsync(Stop));
        foreach (var blob in image.Blobs)
            Assert.Equal(blob.Bytes, await client.TryRead(name, blob.Digest));
    }
}
