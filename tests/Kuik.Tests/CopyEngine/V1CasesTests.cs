using System.Net;
using Kuik.Contracts;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace Kuik.Tests.CopyEngine;

/// <summary>Cases that the tests of v1 pinned and that no other test here has: docs/v1-cases.md lists all of them.</summary>
public sealed class V1CasesTests
{
    private static readonly RegistryCredential Robot = new("robot", "secret");
    private static readonly TestImage Image = TestImage.Small(seed: 1);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("alpine", "docker.io/library/alpine", "latest")]
    [InlineData("docker.io/library/alpine", "docker.io/library/alpine", "latest")]
    [InlineData("index.docker.io/library/alpine:3.14", "docker.io/library/alpine", "3.14")]
    [InlineData(
        "some-gitlab-registry.com:5000/group/another-group/project/backend",
        "some-gitlab-registry.com_5000/group/another-group/project/backend", "latest")]
    public void A_reference_becomes_the_path_that_v1s_cases_name(string written, string path, string tag)
    {
        var image = ImageReference.Parse(written);

        Assert.Equal((path, tag), (CachePath.Of(image), image.Tag));
    }

    [Fact]
    public async Task A_manifest_that_the_registry_has_or_not_is_an_answer_and_anything_else_an_error()
    {
        await using var registry = await ScriptedOrigin.Start();
        registry.Add("a/b", "1", Image);
        using var cache = Cache(registry);

        Assert.Equal(Image.Digest, (await cache.HeadManifest("a/b", "1", Stop))?.Digest);
        Assert.Null(await cache.HeadManifest("a/b", "2", Stop));
        registry.Script = _ => Misbehave.Answer(503);
        await Assert.ThrowsAsync<CopyException>(() => cache.HeadManifest("a/b", "1", Stop));
    }

    [Fact]
    public async Task Removing_a_tag_that_is_not_there_is_done_and_a_refusal_is_an_error()
    {
        await using var registry = await ScriptedOrigin.Start();
        using var cache = Cache(registry);

        await cache.RemoveTag("a/b", "1", Stop);
        Assert.DoesNotContain(registry.Ledger, request => request.Method == "DELETE");
        registry.Script = _ => Misbehave.Answer(401);
        var refusal = await Assert.ThrowsAsync<CopyException>(() => cache.RemoveTag("a/b", "1", Stop));

        Assert.Equal((CopyException.Cache, HttpStatusCode.Unauthorized), (refusal.Kind, refusal.Status));
    }

    [Fact]
    public async Task A_manifest_that_the_registry_refuses_is_an_error()
    {
        await using var registry = await ScriptedOrigin.Start();
        registry.Script = request => request.Method == "PUT" ? Misbehave.Answer(401) : null;
        using var cache = Cache(registry);

        var refusal = await Assert.ThrowsAsync<CopyException>(
            () => cache.PutManifest("a/b", "1", Image.Bytes, Image.MediaType, Stop));

        Assert.Equal((CopyException.Cache, HttpStatusCode.Unauthorized), (refusal.Kind, refusal.Status));
    }

    [Theory]
    [InlineData("""{"token":"right"}""")]
    [InlineData("""{"access_token":"right"}""")]
    [InlineData("""{"access_token":"wrong","token":"right"}""")]
    public async Task A_token_is_taken_from_either_field_and_token_wins(string answer)
    {
        await using var origin = await ScriptedOrigin.Start();
        origin.Add("team/web", "1", Image);
        origin.Script = request => request.Path.StartsWith("/token", StringComparison.Ordinal) ? Misbehave.Say(200, answer)
            : request.Authorization == "Bearer right" ? null
            : Challenge($"http://{origin.Host}/token");
        using var client = new RegistryClient(new RegistryEndpoints([$"http://{origin.Host}"]), [], TimeProvider.System);

        Assert.Equal(Image.Digest, (await client.GetManifest(new(origin.Host, "team/web"), "1", Robot, Stop)).Digest);
    }

    [Theory]
    [InlineData("http://{0}/token", "no JSON")]
    [InlineData("/token", "{}")]
    [InlineData("http://127.0.0.1:100000/token", "{}")]
    public async Task A_token_server_that_cannot_be_used_is_an_error_that_names_it(string realm, string answer)
    {
        await using var origin = await ScriptedOrigin.Start();
        var address = string.Format(null, realm, origin.Host);
        origin.Script = request =>
            request.Path.StartsWith("/token", StringComparison.Ordinal) ? Misbehave.Say(200, answer) : Challenge(address);
        using var client = new RegistryClient(new RegistryEndpoints([$"http://{origin.Host}"]), [], TimeProvider.System);

        var error = await Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(new(origin.Host, "team/web"), "1", Robot, Stop));

        Assert.Matches("/token|no usable token server", error.Message);
        Assert.DoesNotContain(Robot.Password, error.Message, StringComparison.Ordinal);
    }

    private static Misbehaviour Challenge(string realm) =>
        Misbehave.Answer(401, ("WWW-Authenticate", $"Bearer realm=\"{realm}\",service=\"registry\""));

    private static CacheRegistry Cache(ScriptedOrigin registry) => new(
        CopyEngineOptions.From(new ConfigurationBuilder()
            .AddInMemoryCollection([new("Kuik:Cache:Endpoint", $"http://{registry.Host}")]).Build()),
        TimeProvider.System);
}
