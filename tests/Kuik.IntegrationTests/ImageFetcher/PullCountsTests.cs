using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.IntegrationTests.NodeProxy;
using Kuik.PodWatcher;
using Kuik.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.ImageFetcher;

/// <summary>Pulls through a real node-proxy, from its counts to what pod-watcher shows.</summary>
public sealed class PullCountsTests
{
    private static readonly (string, string) EverySecond = ("Kuik:Proxy:PullReportInterval", "00:00:01");

    [Fact]
    public async Task Pulls_from_the_cache_are_counted_also_those_of_a_time_without_image_fetcher()
    {
        await using var world = await FetcherWorld.Start();
        var image = await world.Origin.Push("team/app", "1", TestImage.Small(seed: 95));
        var unknown = await world.Origin.Push("team/unknown", "1", TestImage.Small(seed: 96));
        var port = FreePort.Next();
        var fetcher = await world.StartFetcher(port);
        await world.Request(image);
        await world.Recorded<ImageCached>(image);
        var proxy = await StartNodeProxy.With(world.Cache.Endpoint, fetcher.Endpoint, world.Origin.Endpoint, EverySecond);
        await using var postgres = NpgsqlDataSource.Create(world.Database);
        var counts = new PullCounts(postgres, new Kubernetes.WorkQueue(TimeProvider.System, new()), TimeProvider.System,
            NullLogger<PullCounts>.Instance);

        await Pull(proxy, image);
        await Shows(counts, image, 1);
        fetcher.Kill();
        await Pull(proxy, image);
        await Pull(proxy, image);
        await Eventually.True(
            () => proxy.Log.Contains("counted pulls could not be reported", StringComparison.Ordinal), "a report has failed");
        await world.StartFetcher(port);
        await Shows(counts, image, 3);

        await using var connection = await postgres.OpenConnectionAsync(TestContext.Current.CancellationToken);
        var found = await ImagePulls.Find(connection, image, TestContext.Current.CancellationToken);
        Assert.Equal((3, true), (found!.Count, DateTimeOffset.UtcNow - found.LastAt < TimeSpan.FromMinutes(2)));
        Assert.Empty(await ImagePulls.Add(
            postgres, "node-1", [(unknown, 1, DateTimeOffset.UtcNow)], TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task An_image_that_leaves_the_cache_is_counted_anew()
    {
        await using var world = await FetcherWorld.Start();
        var image = await world.Origin.Push("team/app", "1", TestImage.Small(seed: 97));
        await world.StartFetcher();
        await world.Request(image);
        await world.Recorded<ImageCached>(image);
        await using var postgres = NpgsqlDataSource.Create(world.Database);
        await ImagePulls.Add(postgres, "node-1", [(image, 4, DateTimeOffset.UtcNow)], TestContext.Current.CancellationToken);

        await world.Append(image, new ImageUnused(image, DateTimeOffset.UtcNow, DateTimeOffset.UtcNow));
        await world.Append(image, new ImageExpired(image, DateTimeOffset.UtcNow));
        await world.Recorded<ImageEvicted>(image);

        await using var connection = await postgres.OpenConnectionAsync(TestContext.Current.CancellationToken);
        Assert.Null(await ImagePulls.Find(connection, image, TestContext.Current.CancellationToken));
    }

    private static Task Shows(PullCounts counts, string image, int pulls) => Eventually.True(
        async () =>
        {
            await counts.Read(TestContext.Current.CancellationToken);
            return counts.Find(image)?.Count == pulls;
        },
        $"{pulls} pulls are counted");

    private static async Task Pull(KuikService proxy, string image)
    {
        using var http = new HttpClient { BaseAddress = proxy.Endpoint };
        var name = ImageReference.Parse(image);
        using var request = new HttpRequestMessage(HttpMethod.Head,
            new Uri($"/v2/{CachePath.Of(name)}/manifests/{name.Target}", UriKind.Relative));
        using var answer = await http.SendAsync(request);
        answer.EnsureSuccessStatusCode();
        await http.GetByteArrayAsync(
            new Uri($"/v2/{CachePath.Of(name)}/manifests/{answer.Headers.GetValues("Docker-Content-Digest").Single()}",
                UriKind.Relative));
    }
}
