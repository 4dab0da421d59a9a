using System.Net;
using Kuik.IntegrationTests.NodeProxy;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Access;

/// <summary>node-proxy and a cache registry whose read endpoint wants a user name and a password.</summary>
public sealed class CacheCredentialsTests : IAsyncLifetime
{
    private const string User = "node";
    private const string Password = "pass word: 81dc9bdb";

    private readonly TestImage image = TestImage.Small(seed: 6, size: 400_000);
    private readonly string file = Path.Combine(Sandbox.Shared.NewFolder("passwords"), "password");
    private Registry origin = null!;
    private Registry cache = null!;

    private string Repository => $"/v2/{StoreInCache.PathOf(origin, "team/web")}";

    public async ValueTask InitializeAsync()
    {
        origin = await Registry.Start();
        await origin.Push("team/web", "1", image);
        cache = await Registry.Start(new RegistryOptions { Credentials = (User, Password), Name = "cache" });
        await cache.Store(StoreInCache.PathOf(origin, "team/web"), "1", image);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task With_the_right_password_pulls_come_from_the_cache()
    {
        var proxy = await Start(Password, withOrigin: false);

        await AssertPulls(proxy);
        Assert.DoesNotContain(Password, proxy.Log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("another")]
    [InlineData(null)]
    public async Task A_refusal_of_the_cache_is_a_miss_for_the_client_and_a_line_in_the_log(string? password)
    {
        var proxy = await Start(password, withOrigin: true);

        await AssertPulls(proxy);

        await Eventually.True(
            () => proxy.Log.Contains("refused: credentials", StringComparison.Ordinal)
                && proxy.Log.Contains("Kuik:Cache:ReadPasswordFile", StringComparison.Ordinal),
            "it is logged");
    }

    [Fact]
    public async Task No_client_gets_the_401_of_the_cache_when_no_other_source_has_the_image()
    {
        var proxy = await Start("another", withOrigin: false);
        using var client = new HttpClient { BaseAddress = proxy.Endpoint };

        using var answer = await client.GetAsync($"{Repository}/manifests/1", TestContext.Current.CancellationToken);

        Assert.NotEqual(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Empty(answer.Headers.WwwAuthenticate);
    }

    [Fact]
    public async Task A_rotated_password_is_used_without_a_restart()
    {
        var proxy = await Start("another", withOrigin: false);
        using var client = new HttpClient { BaseAddress = proxy.Endpoint };

        await File.WriteAllTextAsync(file, Password, TestContext.Current.CancellationToken);

        await Eventually.True(
            async () => (await client.GetAsync($"{Repository}/manifests/1")).StatusCode == HttpStatusCode.OK, "the new password is used");
        await AssertPulls(proxy);
    }

    [Fact]
    public async Task Without_the_files_of_its_secrets_it_starts_says_so_and_uses_them_when_they_are_there()
    {
        var token = Path.Combine(Path.GetDirectoryName(file)!, "not-there");
        var proxy = await StartNodeProxy.With(
            cache.Endpoint, null, origin.Endpoint,
            ("Kuik:Cache:ReadUsername", User), ("Kuik:Cache:ReadPasswordFile", file), ("Kuik:Fetcher:TokenFile", token));
        await AssertPulls(proxy);   // from the origin
        Assert.Contains($"{file} (Kuik:Cache:ReadPasswordFile) does not exist", proxy.Log, StringComparison.Ordinal);
        Assert.Contains($"{token} (Kuik:Fetcher:TokenFile) does not exist", proxy.Log, StringComparison.Ordinal);
        await cache.Store(StoreInCache.PathOf(origin, "team/web"), "only-cached", image);

        await File.WriteAllTextAsync(file, Password, TestContext.Current.CancellationToken);

        using var client = new HttpClient { BaseAddress = proxy.Endpoint };
        await Eventually.True(
            async () => (await client.GetAsync($"{Repository}/manifests/only-cached")).StatusCode == HttpStatusCode.OK,
            "the password is used");
    }

    [Fact]
    public async Task The_storage_that_the_cache_redirects_to_gets_no_password()
    {
        await using var storage = await ScriptedServer.Start(http => ScriptedServer.Send(http, image.Layers[0].Bytes));
        await using var redirecting = await ScriptedServer.Start(http =>
        {
            http.Response.StatusCode = 307;
            http.Response.Headers.Location = $"{storage.Endpoint}{http.Request.Path.Value![1..]}";
            return Task.CompletedTask;
        });
        await File.WriteAllTextAsync(file, Password, TestContext.Current.CancellationToken);
        var proxy = await StartNodeProxy.With(
            redirecting.Endpoint, null, null, ("Kuik:Cache:ReadUsername", User), ("Kuik:Cache:ReadPasswordFile", file));
        using var client = new HttpClient { BaseAddress = proxy.Endpoint };

        await client.GetByteArrayAsync($"{Repository}/blobs/{image.Layers[0].Digest}", TestContext.Current.CancellationToken);

        Assert.StartsWith("Basic ", redirecting.Headers[0].Authorization.ToString(), StringComparison.Ordinal);
        Assert.All(storage.Headers, headers => Assert.False(headers.ContainsKey("Authorization")));
    }

    private async Task<KuikService> Start(string? password, bool withOrigin)
    {
        if (password is null)
            return await StartNodeProxy.With(cache.Endpoint, null, withOrigin ? origin.Endpoint : null);
        await File.WriteAllTextAsync(file, password + "\n", TestContext.Current.CancellationToken);
        return await StartNodeProxy.With(
            cache.Endpoint, null, withOrigin ? origin.Endpoint : null,
            ("Kuik:Cache:ReadUsername", User), ("Kuik:Cache:ReadPasswordFile", file));
    }

    private async Task AssertPulls(KuikService proxy)
    {
        using var client = new HttpClient { BaseAddress = proxy.Endpoint };
        Assert.Equal(image.Bytes, await client.GetByteArrayAsync($"{Repository}/manifests/1", TestContext.Current.CancellationToken));
        foreach (var blob in image.Blobs)
        {
            var bytes = await client.GetByteArrayAsync($"{Repository}/blobs/{blob.Digest}", TestContext.Current.CancellationToken);
            Assert.Equal(blob.Bytes, bytes);
        }
    }
}
