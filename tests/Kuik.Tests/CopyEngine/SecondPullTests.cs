using System.Diagnostics.Metrics;
using Kuik.Contracts;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.CopyEngine;

/// <summary>The second pull of a tag, when what it named is not fresh any more and HEAD is to say whether it still does.</summary>
public sealed class SecondPullTests : IAsyncLifetime
{
    private static readonly RegistryCredential Robot = new("robot", "secret");
    private static readonly string Password = "Basic " + Convert.ToBase64String("robot:secret"u8);

    private readonly FakeTimeProvider time = new(DateTimeOffset.UtcNow);
    private readonly TestImage image = TestImage.Small(seed: 1);
    private readonly HttpMessageInvoker peers = new(new SocketsHttpHandler());
    private readonly ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private ScriptedOrigin origin = null!;
    private RegistryClient client = null!;
    private OriginClient originClient = null!;
    private ManifestFetcher manifestFetcher = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        origin = await ScriptedOrigin.Start();
        client = new RegistryClient(new RegistryEndpoints([$"http://{origin.Host}"]), [], time);
        originClient = new OriginClient(client, (_, _) => Task.FromResult<IReadOnlyList<RegistryCredential>>([Robot]),
            new RateLimits(time, services.GetRequiredService<IMeterFactory>()));
        var settings = new CopyEngineOptions { CacheEndpoint = new Uri("http://127.0.0.1:1/"), Platforms = [], SpoolPath = "" };
        var owners = new RendezvousRing(new ReplicaList(settings, peers, time, NullLogger<ReplicaList>.Instance), time,
            NullLogger<RendezvousRing>.Instance);
        manifestFetcher = new ManifestFetcher(originClient, owners, new OwnerClient(peers, owners, time), time, Stop);
    }

    public async ValueTask DisposeAsync()
    {
        client.Dispose();
        peers.Dispose();
        await services.DisposeAsync();
        await origin.DisposeAsync();
    }

    [Theory]
    [InlineData(401)]
    [InlineData(403)]
    [InlineData(404)]
    [InlineData(405)]
    [InlineData(500)]
    [InlineData(501)]
    public async Task Is_by_GET_where_HEAD_is_refused(int status)
    {
        var name = ImageReference.Parse(origin.Add("team/web", "1", image));
        origin.Script = request => request.Method == "HEAD" ? Misbehave.Answer(status) : null;

        await manifestFetcher.FromOrigin(name, Stop);
        time.Advance(TimeSpan.FromSeconds(6));
        var again = await manifestFetcher.FromOrigin(name, Stop);

        Assert.Equal(image.Digest, again.Digest);
    }

    [Fact]
    public async Task Needs_no_GET_where_HEAD_says_that_nothing_has_changed_to_the_credential_that_was_let_in()
    {
        var name = ImageReference.Parse(origin.Add("team/web", "1", image));
        origin.Script = request => request.Authorization == Password
            ? null
            : Misbehave.Answer(401, ("WWW-Authenticate", "Basic realm=\"x\""));

        await manifestFetcher.FromOrigin(name, Stop);
        time.Advance(TimeSpan.FromSeconds(6));
        await manifestFetcher.FromOrigin(name, Stop);

        Assert.Equal(["GET", "GET", "HEAD"], origin.Ledger.Select(request => request.Method));
    }

    [Fact]
    public async Task Of_a_tag_that_is_not_there_is_not_there_although_HEAD_says_nothing()
    {
        Assert.Null(await originClient.FindManifest(ImageReference.Parse($"{origin.Host}/team/web:missing"), Stop));
        Assert.Equal(CopyException.Gone,
            (await Assert.ThrowsAsync<CopyException>(() =>
                manifestFetcher.FromOrigin(ImageReference.Parse($"{origin.Host}/team/web:missing"), Stop))).Kind);
    }
}
