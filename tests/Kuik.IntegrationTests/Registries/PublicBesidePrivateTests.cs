using Kuik.Contracts;
using Kuik.IntegrationTests.CopyEngine;
using Kuik.IntegrationTests.NodeProxy;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;
using static Kuik.IntegrationTests.Registries.Answers;

namespace Kuik.IntegrationTests.Registries;

/// <summary>One host with a repository that opens to all and one that wants a token: pulls of the second must not make the first depend on
/// the token server.</summary>
public class PublicBesidePrivateTests
{
    private static readonly TestImage Open = TestImage.Small(seed: 8800);
    private static readonly TestImage Private = TestImage.Small(seed: 8801);

    [Theory]
    [InlineData(401)]
    [InlineData(403)]
    [InlineData(503)]
    public async Task A_public_image_is_copied_after_a_private_one_of_its_host_whatever_the_token_server_says(int refusal)
    {
        await using var origin = await StartOrigin(refusal);
        var cache = await Registry.Start();
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await engine.Copy($"{origin.Host}/team/open:1");
        engine.Credentials.Enqueue(new RegistryCredential("robot", "secret"));
        await engine.Copy($"{origin.Host}/team/private:1");

        engine.Credentials.Clear();
        var anonymously = await engine.Copy($"{origin.Host}/team/open:2");
        engine.Credentials.Enqueue(new RegistryCredential("robot", "unknown"));
        var withAnUnknownCredential = await engine.Copy($"{origin.Host}/team/open:3");

        Assert.Equal((Open.Digest, Open.Digest), (anonymously.Digest, withAnUnknownCredential.Digest));
    }

    [Theory]
    [InlineData(401)]
    [InlineData(503)]
    public async Task A_public_image_is_pulled_by_node_proxy_alone_after_a_private_one_was_refused(int refusal)
    {
        await using var origin = await StartOrigin(refusal);
        var proxy = await StartNodeProxy.With(origin: new Uri($"http://{origin.Host}"), more: ("Kuik:Proxy:MemoryLimit", "1"));
        string Path(string repository) => CachePath.Of(ImageReference.Parse($"{origin.Host}/{repository}"));

        var refused = await PullAsRuntime.FindProblem(proxy.Endpoint, Path("team/private"), Private);
        var problem = await PullAsRuntime.FindProblem(proxy.Endpoint, Path("team/open"), Open);

        Assert.NotNull(refused);
        Assert.Null(problem);
        proxy.Kill();
    }

    private static async Task<ScriptedOrigin> StartOrigin(int refusal)
    {
        var origin = await ScriptedOrigin.Start();
        foreach (var tag in (string[])["1", "2", "3"])
            origin.Add("team/open", tag, Open);
        origin.Add("team/private", "1", Private);
        origin.Script = request => request switch
        {
            _ when request.IsToken() => request.Authorization == FieldRegistry.Basic ? Token("t") : Misbehave.Answer(refusal),
            _ when request.IsPing() => Challenge(Bearer(origin.Host)),
            _ when !request.Path.StartsWith("/v2/team/private/", StringComparison.Ordinal) || request.Authorization == "Bearer t" => null,
            _ => Challenge(Bearer(origin.Host)),
        };
        return origin;
    }
}
