using Kuik.ImageFetcher.CopyEngine;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>A cache registry behind TLS (a real registry and a real nginx) whose certificate is of a private authority.</summary>
public sealed class HttpsCacheTests
{
    private static readonly CertificateAuthority Corporate = new("Corp Root");
    private static readonly (string User, string Password) Robot = ("kuik", "writes-everything");

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_image_is_copied_and_pulled_where_the_authority_is_named()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start(new RegistryOptions { Credentials = Robot });
        var front = await Front.StartTls(cache, Corporate.Issue("CN=cache", "127.0.0.1"));
        var image = TestImage.Small(seed: 970, size: 300_000);
        var name = origin.Add("team/web", "1", image);
        await using var engine = await Start(cache, origin, front);

        await engine.Copy(name);
        var downloads = origin.Ledger.Count(request => request.IsBlobDownload);
        using var client = engine.Client();
        var layer = await client.TryRead(name, image.Layers[1].Digest);

        await cache.AssertHas(name, image);
        Assert.Equal(image.Layers[1].Bytes, layer);
        Assert.Equal(downloads, origin.Ledger.Count(request => request.IsBlobDownload));
    }

    [Fact]
    public async Task An_impostor_gets_neither_the_password_nor_the_image_and_clients_get_their_bytes()
    {
        await using var origin = await ScriptedOrigin.Start();
        await using var impostor = await ScriptedOrigin.Start(new CertificateAuthority("impostor").Issue("CN=cache", "127.0.0.1"));
        impostor.Script = _ => Misbehave.Answer(401, ("WWW-Authenticate", "Basic realm=\"x\""));
        var image = TestImage.Small(seed: 971, size: 300_000);
        var name = origin.Add("team/web", "1", image);
        await using var engine = await StartAt($"https://{impostor.Host}", await Registry.Start(), origin);

        var failure = await Assert.ThrowsAsync<CopyException>(() => engine.Copy(name));
        using var client = engine.Client();
        var layer = await client.TryRead(name, image.Layers[1].Digest);

        Assert.Equal(CopyException.Cache, failure.Kind);
        Assert.Contains("is not trusted", failure.Message, StringComparison.Ordinal);
        Assert.Equal(image.Layers[1].Bytes, layer);
        Assert.Empty(impostor.Ledger);
    }

    [Fact]
    public async Task A_registry_that_does_not_know_of_the_TLS_in_front_of_it_gets_no_password_by_plain_HTTP()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start(new RegistryOptions { Credentials = Robot });
        var front = await Front.StartTls(cache, Corporate.Issue("CN=cache", "127.0.0.1"), saysScheme: false);
        var name = origin.Add("team/web", "1", TestImage.Small(seed: 972));
        await using var engine = await Start(cache, origin, front);

        var failure = await Assert.ThrowsAsync<CopyException>(() => engine.Copy(name));

        Assert.Equal(CopyException.Cache, failure.Kind);
        Assert.DoesNotContain(front.Requests(), request => request is { Method: "PUT", Status: 201 });
    }

    private static Task<StartEngine> Start(Registry cache, ScriptedOrigin origin, Front front) =>
        StartAt(front.Endpoint.ToString(), cache, origin);

    private static async Task<StartEngine> StartAt(string endpoint, Registry cache, ScriptedOrigin origin)
    {
        var file = Path.Combine(Sandbox.Shared.NewFolder("authority"), "ca.pem");
        await File.WriteAllTextAsync(file, Corporate.Pem, Stop);
        return await StartEngine.Run(
            cache, [origin.Host], null,
            ("Kuik:Cache:Endpoint", endpoint), ("Kuik:Cache:Username", Robot.User), ("Kuik:Cache:Password", Robot.Password),
            ("Kuik:RootCertificateAuthorities", file));
    }
}
