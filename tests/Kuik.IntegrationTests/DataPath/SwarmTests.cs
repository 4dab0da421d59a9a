using Xunit;

namespace Kuik.IntegrationTests.DataPath;

/// <summary>However many nodes want an image at once, its origin sends it once, and what they get is right.</summary>
public sealed class SwarmTests(Swarm swarm) : IClassFixture<Swarm>
{
    private const int Clients = 50;

    [Fact]
    public async Task A_cold_image_of_200_MB_for_fifty_clients_costs_the_origin_each_byte_once()
    {
        var image = await swarm.Push("swarm/large", seed: 1, layers: 4, size: 50_000_000);

        var breaks = await swarm.Pull(image, Clients);
        await swarm.IsCached(image);

        Assert.True(breaks is [], $"{string.Join('\n', breaks)}\n{swarm.Story(image)}");
        Assert.Equal(Swarm.Sizes(image), swarm.SentByOrigin(image));
    }

    [Fact]
    public async Task An_image_fetcher_killed_in_the_middle_costs_what_it_had_under_way_once_more_and_no_client_a_wrong_byte()
    {
        var image = await swarm.Push("swarm/killed", seed: 2, layers: 6, size: 6_000_000);
        await swarm.Origin.Limit(2_000_000);
        var pulls = swarm.Pull(image, Clients);
        var killed = await swarm.Busiest(bytes: 2_000_000);
        try
        {
            killed.Kill();
            var breaks = await pulls;

            var (sizes, sent) = (Swarm.Sizes(image), swarm.SentByOrigin(image));
            TestContext.Current.TestOutputHelper?.WriteLine(
                $"{breaks.Count} transfers broke and were gone on with; the origin sent {sent.Values.Sum()} bytes of {sizes.Values.Sum()}");
            Assert.True(sent.All(part => part.Value >= sizes[part.Key] && part.Value <= 2 * sizes[part.Key]),
                $"killed was {killed.Port}\n{swarm.Story(image)}");
        }
        finally
        {
            await swarm.Origin.Limit(null);
            await killed.Restart();
        }
    }

    [Fact]
    public async Task A_tag_that_ten_node_proxies_ask_for_at_once_costs_the_origin_one_GET_of_each_manifest()
    {
        var image = await swarm.Push("swarm/small", seed: 3, layers: 2, size: 10_000);

        await swarm.Pull(image, clients: 10);
        await swarm.IsCached(image);

        var manifests = swarm.Origin.Requests()
            .Where(request => request.Method == "GET" && request.Path.StartsWith("/v2/swarm/small/manifests/", StringComparison.Ordinal));
        Assert.True(image.Root.All.Count() == manifests.Count(), swarm.Story(image));
    }

    /// <remarks>The pause is real time because Kestrel's is, which cut such a client off after five seconds.</remarks>
    [Fact]
    public async Task A_client_that_pauses_in_the_middle_of_a_blob_gets_the_whole()
    {
        var image = await swarm.Push("swarm/paused", seed: 4, layers: 1, size: 40_000_000);
        var layer = image.Root.All.SelectMany(manifest => manifest.Blobs).MaxBy(blob => blob.Bytes.Length)!;

        var bytes = await swarm.PullWithPause(image, layer, after: 1_000_000, TimeSpan.FromSeconds(10));

        Assert.Equal(layer.Bytes, bytes);
    }
}
