using System.Net;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>Origins that want fewer requests. Scripted: no registry from a package limits rates.</summary>
public sealed class RateLimitTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task After_a_429_the_host_is_left_alone_by_pulls_and_copies_and_what_is_cached_is_served_as_ever()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 500);
        var (cached, limited, other) = (origin.Add("team/cached", "1", image), origin.Add("team/limited", "1", TestImage.Small(seed: 501)),
            origin.Add("team/other", "1", TestImage.Small(seed: 502)));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        using var client = engine.Client();
        await engine.Copy(cached);
        origin.Headers["RateLimit-Limit"] = "100;w=21600";
        origin.Headers["RateLimit-Remaining"] = "0;w=21600";
        origin.Script = _ => Misbehave.Answer(429, ("Retry-After", "3600"));

        var first = await Assert.ThrowsAsync<CopyException>(() => engine.Copy(limited));
        var touched = origin.Ledger.Count;
        var second = await Assert.ThrowsAsync<CopyException>(() => engine.Copy(other));
        var pull = await client.Ask(HttpMethod.Get, other, "manifests/1");
        var blob = await client.Ask(HttpMethod.Get, other, "blobs/" + TestImage.Small(seed: 502).Layers[0].Digest);
        var served = await client.Ask(HttpMethod.Get, cached, "manifests/1");

        Assert.All([first, second], failure => Assert.Equal((CopyException.RateLimited, true), (failure.Kind, failure.RetryHelps)));
        Assert.EndsWith("429 Too Many Requests; 0 of 100 per 6 h left", first.Message, StringComparison.Ordinal);
        foreach (var answer in new[] { pull, blob })
        {
            Assert.Equal(HttpStatusCode.TooManyRequests, answer.StatusCode);
            Assert.InRange(answer.Headers.RetryAfter!.Delta!.Value, TimeSpan.FromMinutes(50), TimeSpan.FromHours(1));
            Assert.Contains("0 of 100 per 6 h left", await answer.Content.ReadAsStringAsync(Stop), StringComparison.Ordinal);
        }
        Assert.Equal(image.Bytes, await served.Content.ReadAsByteArrayAsync(Stop));
        Assert.Equal(touched, origin.Ledger.Count);
    }

    [Fact]
    public async Task Another_credentials_limit_is_another_one_and_after_its_time_the_host_is_asked_again()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 503);
        var name = origin.Add("team/web", "1", image);
        origin.Script = request => request.Authorization is null
            ? request.Count == 0
            ? Misbehave.Answer(401, ("WWW-Authenticate", "Basic realm=\"x\""))
            : Misbehave.Answer(429, ("Retry-After", "3600"))
            : request.Authorization == Basic("slow") ? Misbehave.Answer(429, ("Retry-After", "1")) : null;
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        engine.Credentials.Enqueue(new RegistryCredential("slow", "secret"));
        var slow = await Assert.ThrowsAsync<CopyException>(() => engine.Copy(name));

        engine.Credentials.Clear();
        engine.Credentials.Enqueue(new RegistryCredential("quick", "secret"));
        await engine.Copy(name);

        Assert.Equal(CopyException.RateLimited, slow.Kind);
        await cache.AssertHas(name, image);
        engine.Credentials.Clear();
        engine.Credentials.Enqueue(new RegistryCredential("slow", "secret"));
        origin.Script = _ => null;
        await Eventually.True(() => engine.Copy(name).ContinueWith(copy => copy.IsCompletedSuccessfully, TaskScheduler.Default),
            "the pause is over");
    }

    [Fact]
    public async Task A_blob_that_breaks_off_and_then_meets_a_429_is_gone_on_with_after_its_time()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 504, size: 1_000_000);
        var name = origin.Add("team/web", "1", image);
        origin.Script = request => !request.IsBlobDownload || request.Target != image.Layers[1].Digest ? null
            : request.Count == 0 ? Misbehave.Truncate(600_000)
            : request.Count == 1 ? Misbehave.Answer(429, ("Retry-After", "1"))
            : null;
        await using var engine = await StartEngine.Run(cache, [origin.Host]);

        await engine.Copy(name);

        await cache.AssertHas(name, image);
        var ranges = origin.Ledger.Where(request => request.IsBlobDownload && request.Target == image.Layers[1].Digest)
            .Select(request => request.Range).ToList();
        Assert.Equal(3, ranges.Count);
        Assert.Null(ranges[0]);
        Assert.All(ranges.Skip(1), range => Assert.Matches("^bytes=[1-9][0-9]*-$", range));
    }

    [Theory]
    [InlineData("manifests/none")]
    [InlineData("blobs/sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")]
    public async Task What_is_not_there_is_asked_for_once_for_ten_nodes(string path)
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var name = origin.Add("team/web", "1", TestImage.Small(seed: 505));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        using var client = engine.Client();

        var together = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => client.Ask(HttpMethod.Get, name, path)));
        var once = origin.Ledger.Count(request => request.Path != "/v2/");
        var later = new List<HttpResponseMessage>();
        for (var i = 0; i < 5; i++)
            later.Add(await client.Ask(HttpMethod.Get, name, path));

        Assert.All(together.Concat(later), answer => Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode));
        Assert.Equal((1, 1), (once, origin.Ledger.Count(request => request.Path != "/v2/")));
    }

    [Fact]
    public async Task A_pull_is_not_held_up_by_copies_from_the_same_host_nor_do_they_ask_it_for_more_than_so_much_at_once()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var images = Enumerable.Range(0, 5).Select(i => TestImage.Small(seed: 510 + i)).ToList();
        var names = images.Select((image, i) => origin.Add($"team/app-{i}", "1", image)).ToList();
        var pulled = TestImage.Small(seed: 520);
        var wanted = origin.Add("team/pulled", "1", pulled);
        var gate = new TaskCompletionSource();
        origin.Script = request => request.IsBlobDownload && !request.Path.Contains("/pulled/", StringComparison.Ordinal)
            ? Misbehave.HoldAt(0, gate.Task)
            : null;
        await using var engine = await StartEngine.Run(cache, [origin.Host], null, ("Kuik:Fetch:MaxConcurrentPerHost", "2"),
            ("Kuik:Fetch:MaxConcurrentBlobs", "9"));
        using var client = engine.Client();

        var copies = names.Select(engine.Copy).ToList();
        await Eventually.True(() => origin.Ledger.Count(request => request.IsBlobDownload) == 2, "two blobs are under way");
        var manifest = await client.Ask(HttpMethod.Get, wanted, "manifests/1");
        var blob = await client.TryRead(wanted, pulled.Layers[1].Digest);
        var underWay = origin.Ledger.Count(request => request.IsBlobDownload && request.Path.Contains("/app-", StringComparison.Ordinal));
        gate.SetResult();
        await Task.WhenAll(copies);

        Assert.Equal(pulled.Bytes, await manifest.Content.ReadAsByteArrayAsync(Stop));
        Assert.Equal(pulled.Layers[1].Bytes, blob);
        Assert.Equal(2, underWay);
        foreach (var (name, image) in names.Zip(images))
            await cache.AssertHas(name, image);
    }

    private static string Basic(string user) => "Basic " + Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes($"{user}:secret"));
}
