using System.Net;
using System.Net.Http.Headers;
using Kuik.IntegrationTests.CopyEngine;
using Kuik.IntegrationTests.NodeProxy;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Access;

/// <summary>image-fetcher's port with a token: its replicas and node-proxy, each with the right one, a wrong one and none.</summary>
public sealed class FetcherTokenTests : IAsyncLifetime
{
    private const string Setting = "Kuik:Fetcher:TokenFile";
    private const string Token = "5d41402abc4b2a76b9719d911017c592";
    private const string Wrong = "0cc175b9c0f1b6a831c399e269772661";

    private readonly TestImage image = TestImage.Small(seed: 5, size: 400_000);
    private readonly string folder = Sandbox.Shared.NewFolder("tokens");
    private Registry origin = null!;
    private Registry cache = null!;
    private string name = null!;

    private string TokenFile => FileWith(Token);

    public async ValueTask InitializeAsync()
    {
        (origin, cache) = (await Registry.Start(), await Registry.Start());
        name = await origin.Push("team/web", "1", image);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Theory]
    [InlineData("GET", "/v2/")]
    [InlineData("GET", "/v2/docker.io/library/nginx/manifests/1")]
    [InlineData("HEAD", "/V2/docker.io/library/nginx/manifests/1")]
    [InlineData("POST", "/kuik/manifests?image=docker.io/library/nginx:1")]
    [InlineData("POST", "/KUIK/blobs?image=docker.io/library/nginx:1&digest=sha256:00")]
    public async Task Without_the_token_nothing_is_answered(string method, string path)
    {
        await using var engine = await StartEngine.Run(cache, [origin.Host], null, (Setting, TokenFile));
        using var client = engine.Client();
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Wrong);

        using var answer = await client.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Equal("Bearer", Assert.Single(answer.Headers.WwwAuthenticate).Scheme);
    }

    [Fact]
    public async Task Replicas_with_the_same_token_work_as_one()
    {
        var replicas = await Replicas(TokenFile, TokenFile, TokenFile);

        await Task.WhenAll(replicas.Select(replica => replica.Copy(name)));
        foreach (var replica in replicas)
        {
            using var client = replica.Client();
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Token);
            Assert.Equal(image.Layers[0].Bytes, await client.TryRead(name, image.Layers[0].Digest));
            await replica.DisposeAsync();
        }

        Assert.All(origin.BlobDownloads(), download => Assert.Equal(1, download.Value));
    }

    [Fact]
    public async Task A_replica_that_the_others_refuse_does_the_work_itself_and_no_client_sees_their_401()
    {
        var replicas = await Replicas(TokenFile, TokenFile, FileWith(Wrong));
        using var client = replicas[2].Client();
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Wrong);

        using var manifest = await client.Ask(HttpMethod.Get, name, "manifests/1");
        var blobs = await Task.WhenAll(image.Blobs.Select(blob => client.TryRead(name, blob.Digest)));
        await replicas[2].Copy(name);

        Assert.Equal(HttpStatusCode.OK, manifest.StatusCode);
        Assert.Equal(image.Blobs.Select(blob => blob.Bytes), blobs!);
        foreach (var replica in replicas)
            await replica.DisposeAsync();
    }

    [Fact]
    public async Task A_rotated_token_is_accepted_beside_the_one_before_without_a_restart()
    {
        var file = Path.Combine(folder, "rotated");
        await File.WriteAllTextAsync(file, Token, TestContext.Current.CancellationToken);
        await using var engine = await StartEngine.Run(cache, [origin.Host], null, (Setting, file));
        using var client = engine.Client();
        Assert.Equal(HttpStatusCode.Unauthorized, await Ping(client, Wrong));

        await File.WriteAllTextAsync(file, Wrong, TestContext.Current.CancellationToken);

        await Eventually.True(async () => await Ping(client, Wrong) == HttpStatusCode.OK, "the new token is accepted");
        Assert.Equal(HttpStatusCode.OK, await Ping(client, Token));
    }

    [Fact]
    public async Task Node_proxy_pulls_with_the_token()
    {
        await using var engine = await StartEngine.Run(cache, [origin.Host], null, (Setting, TokenFile));
        var proxy = await StartNodeProxy.With(cache.Endpoint, engine.Endpoint, origin: null, (Setting, TokenFile));

        await AssertPulls(proxy);
        Assert.DoesNotContain(Token, proxy.Log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(Wrong)]
    public async Task Node_proxy_without_the_right_token_asks_the_origin_and_says_so_in_its_log(string? token)
    {
        await using var engine = await StartEngine.Run(cache, [origin.Host], null, (Setting, TokenFile));
        (string, string)[] settings = token is null ? [] : [(Setting, FileWith(token))];
        var proxy = await StartNodeProxy.With(cache.Endpoint, engine.Endpoint, origin.Endpoint, settings);

        await AssertPulls(proxy);
        await Eventually.True(
            () => proxy.Log.Contains("refused: credentials", StringComparison.Ordinal)
                && proxy.Log.Contains(Setting, StringComparison.Ordinal),
            "it is logged");
        Assert.DoesNotContain(Wrong, proxy.Log, StringComparison.Ordinal);
    }

    private static async Task<HttpStatusCode> Ping(HttpClient client, string token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v2/");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var answer = await client.SendAsync(request, TestContext.Current.CancellationToken);
        return answer.StatusCode;
    }

    private async Task AssertPulls(KuikService proxy)
    {
        using var client = new HttpClient { BaseAddress = proxy.Endpoint };
        var path = $"/v2/{StoreInCache.PathOf(origin, "team/web")}";
        Assert.Equal(image.Bytes, await client.GetByteArrayAsync($"{path}/manifests/1", TestContext.Current.CancellationToken));
        foreach (var blob in image.Blobs)
            Assert.Equal(blob.Bytes, await client.GetByteArrayAsync($"{path}/blobs/{blob.Digest}", TestContext.Current.CancellationToken));
    }

    private async Task<StartEngine[]> Replicas(params string[] tokenFiles)
    {
        var ports = tokenFiles.Select(_ => FreePort.Next()).ToArray();
        var peers = ports.Select((port, i) => ($"Kuik:Fetcher:Peers:{i}", $"http://127.0.0.1:{port}")).ToArray();
        return await Task.WhenAll(tokenFiles.Select(
            (file, i) => StartEngine.Run(cache, [origin.Host], ports[i], [.. peers, (Setting, file)])));
    }

    private string FileWith(string token)
    {
        var path = Path.Combine(folder, token[..8]);
        File.WriteAllText(path, token + "\n");
        return path;
    }
}
