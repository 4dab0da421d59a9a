using Kuik.Contracts;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.ImageFetcher;

/// <summary>The effects of one origin on the images of others, and of long copies on the broker.</summary>
public sealed class MannersTests
{
    /// <summary>The slow origin is scripted: it has to hang for exactly as long as the test looks.</summary>
    [Fact]
    public async Task An_image_is_cached_while_a_backlog_of_40_of_another_host_hangs()
    {
        await using var world = await FetcherWorld.Start();
        await using var slow = await ScriptedOrigin.Start();
        var gate = new TaskCompletionSource();
        var content = TestImage.Small(seed: 600);
        var hanging = Enumerable.Range(0, 40).Select(i => slow.Add($"team/slow-{i}", "1", content)).ToList();
        slow.Script = request => request.Path.EndsWith("/manifests/1", StringComparison.Ordinal)
            ? Misbehave.Delay(gate.Task, content.MediaType)
            : null;
        await world.StartFetcher(("Kuik:InsecureRegistries:1", $"http://{slow.Host}"));
        await Task.WhenAll(hanging.Select(world.Request));
        await Eventually.True(() => slow.Ledger.Count == 3, "as many images as may be copied hang");

        var quick = await world.Origin.Push("team/quick", "1", TestImage.Small(seed: 601));
        await world.Request(quick);
        await world.Recorded<ImageCached>(quick);

        var open = await world.NotCached(hanging);
        Assert.Equal(40, open.Count);
        Assert.Equal(3, slow.Ledger.Count);
        var started = 0;
        foreach (var image in hanging)
            started += (await world.Events(image)).OfType<ImageFetchStarted>().Count();
        Assert.Equal(3, started);   // those that wait are not claimed
        gate.SetResult();
        await Eventually.True(async () => (await world.NotCached(hanging)).Count == 0, "the backlog was worked off");
    }

    /// <summary>The broker closes the line in the middle of the copy, as it does after half an hour by default: what it delivers again is
    /// done already or under way.</summary>
    [Fact]
    public async Task A_copy_that_takes_longer_than_the_broker_waits_for_is_made_once_and_the_next_image_is_copied_too()
    {
        var rabbit = await RabbitMq.StartOwn(acknowledgementTimeout: TimeSpan.FromSeconds(2));
        await using var world = await FetcherWorld.Start(rabbit: rabbit);
        await using var slow = await ScriptedOrigin.Start();
        var gate = new TaskCompletionSource();
        var content = TestImage.Small(seed: 610, size: 500_000);
        var image = slow.Add("team/slow", "1", content);
        slow.Script = request => request.IsBlobDownload && request.Target == content.Layers[1].Digest
            ? Misbehave.HoldAt(100_000, gate.Task)
            : null;
        await world.StartFetcher(("Kuik:InsecureRegistries:1", $"http://{slow.Host}"), ("Kuik:Fetch:Lease", "01:00:00"));

        await world.Request(image);
        await Eventually.True(() => slow.Ledger.Any(request => request.Target == content.Layers[1].Digest),
            "the copy is in the middle of a blob");
        await Eventually.True(async () => await rabbit.ClosedForLateAcknowledgement() >= 1, "the broker has lost its patience");
        var next = await world.Origin.Push("team/next", "1", TestImage.Small(seed: 611));
        await world.Request(next);
        await world.Recorded<ImageCached>(next);
        gate.SetResult();
        await world.Recorded<ImageCached>(image);

        Assert.Equal(content.Bytes, await world.InCache(image));
        Assert.Single((await world.Events(image)).OfType<ImageCached>());
        Assert.Single((await world.Events(image)).OfType<ImageFetchStarted>());
        Assert.All(slow.Ledger.Where(request => request.IsBlobDownload).GroupBy(request => request.Target), blob => Assert.Single(blob));
        var last = await world.Origin.Push("team/last", "1", TestImage.Small(seed: 612));
        await world.Request(last);
        await world.Recorded<ImageCached>(last);
    }

    [Fact]
    public async Task A_rate_limited_image_is_recorded_with_what_is_left_and_the_limit_is_in_the_metrics()
    {
        await using var world = await FetcherWorld.Start();
        await using var hub = await ScriptedOrigin.Start();
        var image = hub.Add("team/web", "1", TestImage.Small(seed: 620));
        hub.Headers["RateLimit-Limit"] = "100;w=21600";
        hub.Headers["RateLimit-Remaining"] = "0;w=21600";
        hub.Script = _ => Misbehave.Answer(429, ("Retry-After", "1800"));
        var fetcher = await world.StartFetcher(("Kuik:InsecureRegistries:1", $"http://{hub.Host}"));

        await world.Request(image);
        var failed = await world.Recorded<ImageFetchFailed>(image);
        using var http = new HttpClient { BaseAddress = fetcher.Health };
        var metrics = await http.GetStringAsync(new Uri("/metrics", UriKind.Relative), TestContext.Current.CancellationToken);

        Assert.Equal(("rate-limited", true), (failed.Kind, failed.RetryHelps));
        Assert.Contains("0 of 100 per 6 h left", failed.Reason, StringComparison.Ordinal);
        Assert.True(failed.RetryAt - failed.FailedAt >= TimeSpan.FromMinutes(29));
        Assert.Matches($"(?m)^kuik_origin_ratelimit_remaining\\{{[^}}]*host=\"{hub.Host}\"[^}}]*\\}} 0\\b", metrics);
        Assert.Matches($"(?m)^kuik_origin_ratelimit_limit\\{{[^}}]*host=\"{hub.Host}\"[^}}]*\\}} 100\\b", metrics);
    }
}
