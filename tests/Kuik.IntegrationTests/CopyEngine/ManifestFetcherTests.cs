using System.Diagnostics.Metrics;
using Kuik.Contracts;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

public sealed class ManifestFetcherTests
{
    [Fact]
    public async Task What_a_tag_named_before_costs_a_HEAD_and_what_its_digest_names_costs_nothing()
    {
        var origin = await Registry.Start();
        var (first, second) = (TestImage.Small(seed: 1), TestImage.Small(seed: 2));
        var image = ImageReference.Parse(await origin.Push("team/web", "1", first));
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        using var client = new RegistryClient(new RegistryEndpoints([$"http://{origin.Host}"]), [], time);
        await using var services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var limits = new RateLimits(time, services.GetRequiredService<IMeterFactory>());
        using var peers = new HttpMessageInvoker(new SocketsHttpHandler());
        var settings = new CopyEngineOptions { CacheEndpoint = StartedNowhere, Platforms = [], SpoolPath = "" };
        var owners = new RendezvousRing(new ReplicaList(settings, peers, time, NullLogger<ReplicaList>.Instance), time,
            NullLogger<RendezvousRing>.Instance);
        var manifestFetcher = new ManifestFetcher(
            new OriginClient(client, (_, _) => Task.FromResult<IReadOnlyList<RegistryCredential>>([]), limits),
            owners, new OwnerClient(peers, owners, time), time, TestContext.Current.CancellationToken);
        Task<Manifest> FromOrigin(ImageReference wanted) => manifestFetcher.FromOrigin(wanted, TestContext.Current.CancellationToken);

        await FromOrigin(image);
        time.Advance(TimeSpan.FromMinutes(1));
        var again = await FromOrigin(image);
        var byDigest = await FromOrigin(image.With(first.Digest));
        await origin.Push("team/web", "1", second);
        time.Advance(TimeSpan.FromMinutes(1));
        var moved = await FromOrigin(image);

        Assert.Equal((first.Digest, first.Digest, second.Digest), (again.Digest, byDigest.Digest, moved.Digest));
        var asked = origin.Requests()
            .Where(request => request.Method is "GET" or "HEAD" && request.Path.Contains("/manifests/", StringComparison.Ordinal));
        Assert.Equal(["GET", "HEAD", "HEAD", "GET"], asked.Select(request => request.Method));
    }

    private static Uri StartedNowhere => new("http://127.0.0.1:1/");
}
