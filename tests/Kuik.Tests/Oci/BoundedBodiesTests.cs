using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.Oci;

/// <summary>Bodies that do not end, or not in time: each has a limit of time and of bytes, those of errors and of lists too.</summary>
public sealed class BoundedBodiesTests : IAsyncLifetime
{
    private readonly FakeTimeProvider time = new(DateTimeOffset.UtcNow);
    private readonly TaskCompletionSource never = new();
    private ScriptedOrigin origin = null!;
    private RegistryClient client = null!;

    private RegistryRepository Web => new(origin.Host, "team/web");

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        origin = await ScriptedOrigin.Start();
        client = new RegistryClient(new RegistryEndpoints([$"http://{origin.Host}"]), [], time);
    }

    public ValueTask DisposeAsync()
    {
        client.Dispose();
        return origin.DisposeAsync();
    }

    [Theory]
    [InlineData(401)]
    [InlineData(404)]
    [InlineData(500)]
    public async Task An_error_whose_body_stalls_is_told_by_its_status_and_what_has_come_of_the_body(int status)
    {
        origin.Script = _ => Stall(status, """{"errors":[{"code":"SOME_CODE","message":"some words"}]}   """);

        var asked = client.GetManifest(Web, "1", null, Stop);
        await EndsWithin(asked, TimeSpan.FromSeconds(10));

        var error = await Assert.ThrowsAsync<RegistryException>(() => asked);
        Assert.Equal(status, (int)error.Status!);
        Assert.EndsWith("SOME_CODE some words", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_error_whose_body_never_ends_is_read_for_64_KiB_at_most()
    {
        origin.Script = _ => async (http, _) =>
        {
            http.Response.StatusCode = 500;
            while (!http.RequestAborted.IsCancellationRequested)
                await http.Response.Body.WriteAsync(new byte[16 * 1024], http.RequestAborted);
        };

        var error = await Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(Web, "1", null, Stop));

        Assert.Equal(500, (int)error.Status!);
    }

    [Fact]
    public async Task A_token_server_whose_error_stalls_is_named_with_its_status()
    {
        origin.Script = request => request.Path.StartsWith("/token", StringComparison.Ordinal) ? Stall(403, "no")
            : Misbehave.Answer(401, ("WWW-Authenticate", $"Bearer realm=\"http://{origin.Host}/token\""));

        var asked = client.GetManifest(Web, "1", null, Stop);
        await EndsWithin(asked, TimeSpan.FromSeconds(10));

        var error = await Assert.ThrowsAsync<RegistryException>(() => asked);
        Assert.Contains("/token: 403", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_manifest_that_comes_by_a_byte_now_and_then_is_given_up_although_it_never_stalls()
    {
        using var byteIsDue = new SemaphoreSlim(0);
        origin.Script = _ => async (http, _) =>
        {
            while (true)
            {
                await http.Response.Body.WriteAsync(new byte[1], http.RequestAborted);
                await http.Response.Body.FlushAsync(http.RequestAborted);
                await byteIsDue.WaitAsync(http.RequestAborted);
            }
        };

        var asked = client.GetManifest(Web, "1", null, Stop);
        await EndsWithin(asked, TimeSpan.FromMinutes(5), () => byteIsDue.Release());

        var error = await Assert.ThrowsAsync<RegistryException>(() => asked);
        Assert.Equal(RegistryErrorKind.Unreachable, error.Kind);
        Assert.EndsWith("the body was not complete after 120 s", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_caches_list_of_tags_that_stalls_ends_what_waits_for_it()
    {
        origin.Script = _ => Stall(200, """{"name":""");
        using var cache = new CacheRegistry(Settings(), time);

        var asked = cache.Tags("a/b", Stop);
        await EndsWithin(asked, TimeSpan.FromMinutes(3));

        Assert.Equal(CopyException.Cache, (await Assert.ThrowsAsync<CopyException>(() => asked)).Kind);
    }

    [Fact]
    public async Task The_caches_list_of_tags_that_never_ends_is_not_kept_in_memory()
    {
        origin.Script = _ => async (http, _) =>
        {
            while (!http.RequestAborted.IsCancellationRequested)
                await http.Response.Body.WriteAsync(new byte[64 * 1024], http.RequestAborted);
        };
        using var cache = new CacheRegistry(Settings(), time);

        var failure = await Assert.ThrowsAsync<CopyException>(() => cache.Tags("a/b", Stop));

        Assert.Contains("a page of the list of tags of a/b has more than 8 MiB", failure.Message, StringComparison.Ordinal);
    }

    private CopyEngineOptions Settings() => new() { CacheEndpoint = new Uri($"http://{origin.Host}"), Platforms = [], SpoolPath = "" };

    /// <summary>The head, the beginning of the body, and no more.</summary>
    private Misbehaviour Stall(int status, string beginning) => async (http, _) =>
    {
        http.Response.StatusCode = status;
        http.Response.ContentLength = 1000;
        await http.Response.WriteAsync(beginning);
        await http.Response.Body.FlushAsync();
        await never.Task.WaitAsync(http.RequestAborted);
    };

    /// <summary>Lets time pass, slowly enough for what comes by the network, until the call has ended.</summary>
    private async Task EndsWithin(Task asked, TimeSpan limit, Action? meanwhile = null)
    {
        await Eventually.True(() => origin.Ledger.Count > 0, "the origin has been asked");
        var begun = time.GetUtcNow();
        await Eventually.True(
            () =>
            {
                if (!asked.IsCompleted && time.GetUtcNow() - begun < limit)
                    time.Advance(TimeSpan.FromSeconds(1));
                meanwhile?.Invoke();
                return asked.IsCompleted;
            },
            $"the call has ended within {limit}");
    }
}
