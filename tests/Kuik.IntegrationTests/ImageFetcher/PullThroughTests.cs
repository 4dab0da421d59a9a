using Kuik.Contracts;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.ImageFetcher;

/// <summary>node-proxy's requests to image-fetcher, and the recorded image, with and without the control plane.</summary>
public sealed class PullThroughTests
{
    [Fact]
    public async Task An_image_that_was_not_requested_is_recorded_as_pulled_and_kept()
    {
        await using var world = await FetcherWorld.Start();
        var fetcher = await world.StartFetcher();
        var content = TestImage.Small(seed: 40);
        var image = await world.Origin.Push("team/app", "1", content);

        var pulled = await FetcherWorld.Pull(fetcher, image, "manifests/1");
        await world.Recorded<ImageCached>(image);

        Assert.Equal(content.Bytes, pulled);
        Assert.IsType<RequestedByPull>((await world.Events(image))[0]);
        Assert.Equal(content.Bytes, await world.InCache(image));
        Assert.All(world.Origin.BlobDownloads(), downloads => Assert.Equal(1, downloads.Value));
    }

    [Fact]
    public async Task A_pull_of_an_image_that_is_known_records_nothing()
    {
        await using var world = await FetcherWorld.Start();
        var fetcher = await world.StartFetcher();
        var image = await world.Origin.Push("team/app", "1", TestImage.Small(seed: 41));
        await world.Request(image);
        await world.Recorded<ImageCached>(image);

        await FetcherWorld.Pull(fetcher, image, "manifests/1");
        var later = await world.Origin.Push("team/app", "2", TestImage.Small(seed: 42));
        await FetcherWorld.Pull(fetcher, later, "manifests/2");
        await world.Recorded<RequestedByPull>(later);

        Assert.Empty((await world.Events(image)).OfType<RequestedByPull>());
    }

    [Fact]
    public async Task Without_Postgres_RabbitMQ_and_Kubernetes_a_public_image_is_pulled_through_and_kept_and_one_line_each_says_what_is_missing()
    {
        await using var world = await FetcherWorld.Start();
        var (postgres, rabbit) = (FreePort.Next(), FreePort.Next());
        var fetcher = await world.StartFetcher(
            ("ConnectionStrings:Postgres", $"Host=127.0.0.1;Port={postgres};Username=kuik;Password=hunter2;Database=kuik"),
            ("ConnectionStrings:RabbitMq", $"amqp://kuik:hunter2@127.0.0.1:{rabbit}/"));
        var content = TestImage.Small(seed: 43);
        var image = await world.Origin.Push("team/app", "1", content);

        var manifest = await FetcherWorld.Pull(fetcher, image, "manifests/1");
        var layer = await FetcherWorld.Pull(fetcher, image, $"blobs/{content.Layers[^1].Digest}");
        await Eventually.True(async () => await world.InCache(image) is not null, "the image is kept");
        await Eventually.True(() => fetcher.Log.Contains($"127.0.0.1:{rabbit}", StringComparison.Ordinal), "the missing RabbitMQ was said");
        await Eventually.True(
            () => fetcher.Log.Contains($"{image} was pulled and is being kept, but could not be recorded", StringComparison.Ordinal),
            "that the pull is not recorded was said");

        Assert.Equal(content.Bytes, manifest);
        Assert.Equal(content.Layers[^1].Bytes, layer);
        var lines = fetcher.Log.Split('\n');
        Assert.Single(lines, line => line.Contains($"Postgres at 127.0.0.1:{postgres}", StringComparison.Ordinal));
        Assert.Single(lines, line => line.Contains($"127.0.0.1:{rabbit}", StringComparison.Ordinal));
        Assert.DoesNotContain("   at ", fetcher.Log, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", fetcher.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_the_cache_registry_it_is_ready_but_degraded_and_pulls_go_on()
    {
        await using var world = await FetcherWorld.Start();
        await world.Cache.Stop();
        var fetcher = await world.StartFetcher();
        var content = TestImage.Small(seed: 44);
        var image = await world.Origin.Push("team/app", "1", content);

        Assert.Equal(content.Bytes, await FetcherWorld.Pull(fetcher, image, "manifests/1"));

        using var http = new HttpClient { BaseAddress = fetcher.Health };
        var ready = await http.GetStringAsync(new Uri("/readyz", UriKind.Relative), TestContext.Current.CancellationToken);
        Assert.StartsWith("Degraded", ready, StringComparison.Ordinal);
        Assert.Contains($"cache: Degraded the cache registry at {world.Cache.Endpoint} does not answer", ready, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Kuik:Fetch:MaxConcurrentImages", "0",
        "Kuik:Fetch:MaxConcurrentImages: \"0\" is not accepted; it must be a number from 1 to 100")]
    [InlineData("Kuik:Fetch:Lease", "1 hour",
        "Kuik:Fetch:Lease: \"1 hour\" is not accepted; it must be a duration of at least 00:00:02, such as 00:02:00")]
    [InlineData("ConnectionStrings:Postgres", null, "ConnectionStrings:Postgres: \"\" is not accepted")]
    [InlineData("KUBECONFIG", "/no/such/file", "KUBECONFIG: \"/no/such/file\" is not accepted")]
    public async Task A_wrong_setting_ends_it_with_one_line(string key, string? value, string line)
    {
        var settings = new Dictionary<string, string?>
        {
            ["ConnectionStrings:Postgres"] = "Host=127.0.0.1;Username=kuik;Database=kuik",
            ["ConnectionStrings:RabbitMq"] = "amqp://127.0.0.1",
            ["KUBECONFIG"] = FetcherWorld.NoKubernetes(),
            [key] = value,
        };

        var fetcher = await KuikService.Start("ImageFetcher", new KuikServiceOptions { Settings = settings, WaitFor = null });

        Assert.Equal(78, await fetcher.Ended());
        Assert.StartsWith("image-fetcher: " + line, Assert.Single(fetcher.Log.Trim().Split('\n')), StringComparison.Ordinal);
    }
}
