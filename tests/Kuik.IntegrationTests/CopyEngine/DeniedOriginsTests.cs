using System.Net;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>Origins that Kuik:AllowedOrigins or Kuik:DeniedOrigins exclude are not reached through image-fetcher either.</summary>
public sealed class DeniedOriginsTests : IAsyncLifetime
{
    private const string Repository = "team/web";

    private readonly TestImage image = TestImage.Small(seed: 1);
    private ScriptedOrigin origin = null!;
    private Registry cache = null!;
    private string name = null!;

    public async ValueTask InitializeAsync()
    {
        origin = await ScriptedOrigin.Start();
        cache = await Registry.Start();
        name = origin.Add(Repository, "1", image);
    }

    public ValueTask DisposeAsync() => origin.DisposeAsync();

    [Theory]
    [InlineData("Kuik:DeniedOrigins")]
    [InlineData("Kuik:AllowedOrigins")]
    [InlineData("Kuik:Proxy:DeniedOrigins")]
    [InlineData("Kuik:Proxy:AllowedOrigins")]
    public async Task A_copy_from_a_denied_origin_is_refused_and_the_origin_is_not_asked(string key)
    {
        await using var engine = await StartEngine.Run(cache, [origin.Host], null, Deny(key));

        var failure = await Assert.ThrowsAsync<CopyException>(() => engine.Copy(name));

        Assert.Equal((CopyException.Refused, false), (failure.Kind, failure.RetryHelps));
        Assert.Contains(key, failure.Message, StringComparison.Ordinal);
        Assert.Empty(origin.Ledger);
    }

    [Theory]
    [InlineData("Kuik:DeniedOrigins")]
    [InlineData("Kuik:AllowedOrigins")]
    public async Task Pulls_from_a_denied_origin_are_403_cached_or_not(string key)
    {
        await using (var before = await StartEngine.Run(cache, [origin.Host]))
            await before.Copy(name);
        var asked = origin.Ledger.Count;
        await using var engine = await StartEngine.Run(cache, [origin.Host], null, Deny(key));
        using var client = engine.Client();

        foreach (var path in new[] { "manifests/1", "manifests/" + image.Digest, "manifests/2", "blobs/" + image.Layers[0].Digest })
        {
            using var answer = await client.Ask(HttpMethod.Get, name, path);
            var body = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);

            Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
            Assert.Contains("DENIED", body, StringComparison.Ordinal);
            Assert.Contains(key, body, StringComparison.Ordinal);
        }
        Assert.Equal(asked, origin.Ledger.Count);
    }

    [Fact]
    public async Task A_redirect_of_an_allowed_origin_to_a_denied_host_is_not_followed()
    {
        await using var storage = await ScriptedOrigin.Start();
        origin.Script = request => request.IsBlobDownload
            ? Misbehave.Answer(307, ("Location", $"http://{storage.Host}{request.Path}"))
            : null;
        await using var engine = await StartEngine.Run(cache, [origin.Host, storage.Host], null, ("Kuik:DeniedOrigins", storage.Host));

        var failure = await Assert.ThrowsAsync<CopyException>(() => engine.Copy(name));

        Assert.Contains("Kuik:DeniedOrigins", failure.Message, StringComparison.Ordinal);
        Assert.Empty(storage.Ledger);
    }

    [Fact]
    public async Task An_origin_on_the_allow_list_is_copied_from()
    {
        await using var engine = await StartEngine.Run(
            cache, [origin.Host], null, ("Kuik:AllowedOrigins:0", "docker.io"), ("Kuik:AllowedOrigins:1", origin.Host));

        var copied = await engine.Copy(name);

        Assert.Equal(image.Digest, copied.Digest);
    }

    private (string, string) Deny(string key) => (key, key.Contains("Denied", StringComparison.Ordinal) ? origin.Host : "docker.io");
}
