using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net;
using Kuik.Hosting;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Tests.Webhook;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.CopyEngine;

public sealed class TokenAuthenticationTests : IDisposable
{
    private const string Token = "5d41402abc4b2a76b9719d911017c592";

    private readonly string file = Path.GetTempFileName();
    private readonly FakeTimeProvider time = new(DateTimeOffset.UtcNow);
    private readonly ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly ConcurrentQueue<string> lines = new();

    public TokenAuthenticationTests() => File.WriteAllText(file, Token + "\n");

    public void Dispose()
    {
        services.Dispose();
        File.Delete(file);
    }

    [Theory]
    [InlineData("/v2/")]
    [InlineData("/V2/docker.io/library/nginx/manifests/1")]
    [InlineData("/v2/docker.io/library/nginx/blobs/sha256:00")]
    [InlineData("/kuik/blobs")]
    [InlineData("/kuik/manifests")]
    [InlineData("/healthz/../v2/")]
    [InlineData("/metricsv2/")]
    [InlineData("/")]
    public async Task Every_path_needs_the_token(string path)
    {
        var authentication = Authentication(file);

        Assert.Equal((false, 401), await Ask(authentication, path, null));
        Assert.Equal((false, 401), await Ask(authentication, path, "Bearer " + Token[..^1] + "x"));
        Assert.Equal((false, 401), await Ask(authentication, path, "Bearer "));
        Assert.Equal((false, 401), await Ask(authentication, path, "Basic " + Token));
        Assert.Equal((true, 200), await Ask(authentication, path, "Bearer " + Token));
        Assert.Equal((true, 200), await Ask(authentication, path, "bearer " + Token));
    }

    [Theory]
    [InlineData("/healthz")]
    [InlineData("/readyz")]
    [InlineData("/metrics")]
    public async Task Health_and_metrics_need_none(string path) => Assert.Equal((true, 200), await Ask(Authentication(file), path, null));

    [Fact]
    public async Task Without_the_setting_nothing_is_required_and_a_line_says_so()
    {
        Assert.Equal((true, 200), await Ask(Authentication(null), "/v2/", null));

        Assert.Contains(FetcherToken.FileKey, Assert.Single(lines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refusal_is_told_apart_from_an_origins_401()
    {
        var http = await Answer(Authentication(file), "/v2/a/manifests/1", "Bearer wrong");

        using var answer = new HttpResponseMessage((HttpStatusCode)http.Response.StatusCode);
        answer.Headers.TryAddWithoutValidation("WWW-Authenticate", http.Response.Headers.WWWAuthenticate.ToString());
        Assert.True(FetcherToken.IsRefusal(answer));
        Assert.False(FetcherToken.IsRefusal(new HttpResponseMessage(HttpStatusCode.Unauthorized)));
    }

    [Fact]
    public async Task Refusals_are_logged_once_a_minute_without_what_was_shown()
    {
        var authentication = Authentication(file);
        for (var i = 0; i < 100; i++)
            await Ask(authentication, "/v2/", "Bearer guess-4c1f");
        time.Advance(TimeSpan.FromMinutes(1));
        await Ask(authentication, "/v2/", null);

        Assert.Equal(2, lines.Count);
        Assert.DoesNotContain(lines, line => line.Contains("guess-4c1f", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, line => line.Contains(Token, StringComparison.Ordinal));
    }

    private static async Task<(bool IsLetIn, int Status)> Ask(TokenAuthentication authentication, string path, string? authorization)
    {
        var http = await Answer(authentication, path, authorization);
        return (http.Items.ContainsKey("let in"), http.Response.StatusCode);
    }

    private static async Task<HttpContext> Answer(TokenAuthentication authentication, string path, string? authorization)
    {
        var http = new DefaultHttpContext { Request = { Method = "GET", Path = path } };
        http.Request.Headers.Authorization = authorization;
        await authentication.Invoke(http, next =>
        {
            next.Items["let in"] = true;
            return Task.CompletedTask;
        });
        return http;
    }

    private TokenAuthentication Authentication(string? tokenFile)
    {
        using var logs = LoggerFactory.Create(builder => builder.AddProvider(new KeepLines(lines)));
        var token = tokenFile is null
            ? null
            : new SecretFile(FetcherToken.FileKey, tokenFile, SecretKind.Token, time, logs.CreateLogger("token"));
        return new TokenAuthentication(token, time, services.GetRequiredService<IMeterFactory>(), logs.CreateLogger<TokenAuthentication>());
    }
}
