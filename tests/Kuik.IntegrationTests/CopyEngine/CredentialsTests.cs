using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

public class CredentialsTests
{
    [Fact]
    public async Task Basic_authentication_lets_the_right_credential_in_after_a_wrong_one()
    {
        var (origin, cache) = (await Registry.Start(new RegistryOptions { Credentials = ("robot", "secret") }), await Registry.Start());
        var image = TestImage.Small(seed: 20);
        var name = await origin.Push("team/web", "1", image);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        engine.Credentials.Enqueue(new RegistryCredential("robot", "wrong"));
        engine.Credentials.Enqueue(new RegistryCredential("robot", "secret"));

        await engine.Copy(name);

        await cache.AssertHas(name, image);
    }

    [Fact]
    public async Task Bearer_tokens_are_got_for_a_credential_and_used_for_all_of_an_image()
    {
        var tokens = await TokenServer.Start(new Dictionary<string, string> { ["robot"] = "secret" });
        var (origin, cache) = (await Registry.Start(new RegistryOptions { Tokens = tokens }), await Registry.Start());
        var index = TestIndex.Small(seed: 21);
        var name = await origin.Push("team/web", "1", index);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        engine.Credentials.Enqueue(new RegistryCredential("robot", "secret"));

        await engine.Copy(name);

        await cache.AssertHas(name, index, "linux/amd64");
        await Eventually.True(() => origin.Requests().Count(request => request.Status == 200) >= 5,
            "the access log has the index, its child and three blobs");
        Assert.Single(origin.Requests(), request => request.Status == 401);
    }

    [Fact]
    public async Task A_public_repository_behind_tokens_needs_no_credential()
    {
        var tokens = await TokenServer.Start(new Dictionary<string, string>());
        tokens.Public.Add("team/open");
        var (origin, cache) = (await Registry.Start(new RegistryOptions { Tokens = tokens }), await Registry.Start());
        var image = TestImage.Small(seed: 22);
        var name = await origin.Push("team/open", "1", image);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);

        await engine.Copy(name);

        await cache.AssertHas(name, image);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_wrong_credential_is_refused_and_not_in_the_message(bool hasTokens)
    {
        var tokens = hasTokens ? await TokenServer.Start(new Dictionary<string, string> { ["robot"] = "secret" }) : null;
        var origin = await Registry.Start(new RegistryOptions { Tokens = tokens, Credentials = hasTokens ? null : ("robot", "secret") });
        var cache = await Registry.Start();
        var name = await origin.Push("team/web", "1", TestImage.Small(seed: 23));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        engine.Credentials.Enqueue(new RegistryCredential("robot", "hunter2hunter2"));

        var failure = await Assert.ThrowsAsync<CopyException>(() => engine.Copy(name));

        Assert.Equal((CopyException.Refused, false), (failure.Kind, failure.RetryHelps));
        Assert.DoesNotContain("hunter2", failure.ToString(), StringComparison.Ordinal);
        Assert.Contains("401", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_registry_that_hides_a_blob_from_one_credential_shows_it_to_the_next()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 25);
        var name = origin.Add("team/web", "1", image);
        var right = "Basic " + Convert.ToBase64String("robot:secret"u8);
        origin.Script = request => request.Authorization switch
        {
            null => Misbehave.Answer(401, ("WWW-Authenticate", "Basic realm=\"registry\"")),
            var shown => shown == right ? null : Misbehave.Answer(404),
        };
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        engine.Credentials.Enqueue(new RegistryCredential("robot", "wrong"));
        engine.Credentials.Enqueue(new RegistryCredential("robot", "secret"));
        using var client = engine.Client();

        var head = await client.Ask(HttpMethod.Head, name, "blobs/" + image.Layers[0].Digest);

        Assert.Equal((System.Net.HttpStatusCode.OK, image.Layers[0].Bytes.Length), (head.StatusCode, head.Content.Headers.ContentLength));
    }

    [Fact]
    public async Task A_cache_with_a_password_is_written_with_it()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start(new RegistryOptions { Credentials = ("kuik", "secret") }));
        var index = TestIndex.Small(seed: 24);
        var name = await origin.Push("team/web", "1", index);
        await using var engine =
            await StartEngine.Run(cache, [origin.Host], null, ("Kuik:Cache:Username", "kuik"), ("Kuik:Cache:Password", "secret"));

        await engine.Copy(name);

        await cache.AssertHas(name, index, "linux/amd64");
    }

    [Fact]
    public async Task A_cache_behind_a_private_authority_is_trusted_when_that_is_named()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var authority = new CertificateAuthority("a company");
        await using var front = await CutFront.Start(cache.Endpoint.ToString(), authority.Issue("CN=cache", "127.0.0.1"));
        var file = Path.Combine(Sandbox.Shared.NewFolder("authority"), "ca.pem");
        await File.WriteAllTextAsync(file, authority.Pem, TestContext.Current.CancellationToken);
        var image = TestImage.Small(seed: 26);
        var name = await origin.Push("team/web", "1", image);
        await using var engine = await StartEngine.Run(cache, [origin.Host], null, ("Kuik:Cache:Endpoint", front.Endpoint),
            ("Kuik:RootCertificateAuthorities:0", file));

        await engine.Copy(name);

        await cache.AssertHas(name, image);
    }
}
