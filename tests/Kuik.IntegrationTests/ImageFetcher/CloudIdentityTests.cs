using System.Text;
using Kuik.Contracts;
using Kuik.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Kuik.IntegrationTests.ImageFetcher;

/// <summary>
/// Google's registry and metadata server are scripted: no cloud is reachable from tests. The registry answers as the corporate proxy that
/// leads to it, so that a name of Google's is found here.
/// </summary>
public sealed class CloudIdentityTests
{
    private const string Image = "europe-docker.pkg.dev/shop/team/app:1";
    private const string Token = "ya29.hunter2-token";

    [Fact]
    public async Task A_private_image_is_copied_with_the_workloads_own_identity_whose_metadata_server_is_reached_without_the_proxy()
    {
        await using var registry = await ScriptedOrigin.Start();
        await using var metadata = await ScriptedOrigin.Start();
        var content = TestImage.Small(seed: 30);
        registry.Add("shop/team/app", "1", content);
        var opens = "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"oauth2accesstoken:{Token}"));
        registry.Script = request => request.Authorization == opens
            ? null
            : Misbehave.Answer(401, ("WWW-Authenticate", "Basic realm=\"registry\""));
        metadata.Script = _ =>
            (http, _) => http.Response.WriteAsync($$"""{"access_token":"{{Token}}","expires_in":3599,"token_type":"Bearer"}""");
        await using var world = await FetcherWorld.Start();
        var fetcher = await world.StartFetcher([.. Settings(registry, metadata), FetcherWorld.LogsEverything]);

        await world.Request(Image);
        await world.Recorded<ImageCached>(Image);

        Assert.Equal(content.Bytes, await world.InCache(Image));
        var asked = Assert.Single(metadata.Ledger);
        Assert.Equal("/computeMetadata/v1/instance/service-accounts/default/token", asked.Path);
        Assert.Contains("DEBUG", fetcher.Log, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", fetcher.Log + await world.WholeLog(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cloud_that_gives_no_token_is_told_beside_the_registrys_refusal()
    {
        await using var registry = await ScriptedOrigin.Start();
        await using var metadata = await ScriptedOrigin.Start();
        registry.Script = _ => Misbehave.Answer(401, ("WWW-Authenticate", "Basic realm=\"registry\""));
        metadata.Script = _ => Misbehave.Answer(404);
        await using var world = await FetcherWorld.Start();
        await world.StartFetcher(Settings(registry, metadata));

        await world.Request(Image);
        var failed = await world.Recorded<ImageFetchFailed>(Image);

        Assert.Equal("refused", failed.Kind);
        Assert.EndsWith(
            $"; the cloud gave no token for europe-docker.pkg.dev (GET "
                + $"http://{metadata.Host}/computeMetadata/v1/instance/service-accounts/default/token: 404)", failed.Reason,
                StringComparison.Ordinal);
    }

    private static (string Key, string? Value)[] Settings(ScriptedOrigin registry, ScriptedOrigin metadata) =>
    [
        ("Kuik:CloudIdentities", "google"), ("GCE_METADATA_HOST", metadata.Host),
        ("http_proxy", $"http://{registry.Host}"), ("Kuik:InsecureRegistries:1", "http://europe-docker.pkg.dev"),
    ];
}
