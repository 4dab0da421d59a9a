using System.Diagnostics.Metrics;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.CopyEngine;

public sealed class ManifestReadLimiterTests : IAsyncDisposable
{
    private static readonly KeyValuePair<string, object?> Manifest = new("for", "manifest");

    private readonly FakeTimeProvider time = new();
    private readonly ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly ManifestReadLimiter limiter;
    private readonly TaskCompletionSource slow = new();
    private int reading;

    public ManifestReadLimiterTests() =>
        limiter = new ManifestReadLimiter(time, new EngineMetrics(services.GetRequiredService<IMeterFactory>(), time));

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        limiter.Dispose();
        await services.DisposeAsync();
    }

    [Fact]
    public async Task A_host_that_is_silent_has_a_bounded_number_of_reads_and_delays_no_other_host()
    {
        var silent = Enumerable.Range(0, 100).Select(_ => Read("slow.example.com")).ToList();
        await Eventually.True(() => reading == ManifestReadLimiter.MaxPerHost, "the host has its share");

        var others = Enumerable.Range(0, 20).Select(i => limiter.Run($"{i}.example.com", _ => Task.FromResult(i), Stop));

        Assert.Equal(Enumerable.Range(0, 20), await Task.WhenAll(others));
        Assert.Equal(ManifestReadLimiter.MaxPerHost, reading);
        slow.SetResult();
        await Task.WhenAll(silent);
    }

    [Fact]
    public async Task However_many_hosts_are_slow_the_reads_of_the_process_are_bounded()
    {
        var reads = Enumerable.Range(0, 200).Select(i => Read($"{i}.example.com")).ToList();
        await Eventually.True(() => reading == ManifestReadLimiter.MaxTotal, "all places are taken");

        Assert.DoesNotContain(reads, read => read.IsCompleted);

        slow.SetResult();
        await Task.WhenAll(reads);
        Assert.Equal(200, reading);
    }

    [Fact]
    public async Task An_origin_that_trickles_a_manifest_loses_its_place_when_the_limit_has_passed()
    {
        var reads = Enumerable.Range(0, ManifestReadLimiter.MaxPerHost).Select(_ => Read("slow.example.com")).ToList();
        await Eventually.True(() => reading == ManifestReadLimiter.MaxPerHost, "all its places are taken");
        var next = limiter.Run("slow.example.com", _ => Task.FromResult("manifest"), Stop);

        time.Advance(ManifestReadLimiter.ReadLimit);

        foreach (var read in reads)
        {
            var failure = await Assert.ThrowsAsync<CopyException>(() => read);
            Assert.Equal((CopyException.Unreachable, true), (failure.Kind, failure.RetryHelps));
        }
        Assert.Equal("manifest", await next);
    }

    [Fact]
    public async Task One_that_stops_waiting_leaves_the_queue()
    {
        var reads = Enumerable.Range(0, ManifestReadLimiter.MaxPerHost).Select(_ => Read("slow.example.com")).ToList();
        using var left = new CancellationTokenSource();
        var waiting = limiter.Run("slow.example.com", _ => Task.FromResult("manifest"), left.Token);

        await left.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        slow.SetResult();
        await Task.WhenAll(reads);
        Assert.Equal("manifest", await limiter.Run("slow.example.com", _ => Task.FromResult("manifest"), Stop));
    }

    [Fact]
    public async Task Waiting_reads_show_in_a_metric()
    {
        var (waiting, waits) = (0L, new List<double>());
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument.Meter.Scope == services.GetRequiredService<IMeterFactory>())
                    self.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>((_, change, tags, _) =>
            Interlocked.Add(ref waiting, tags.Contains(Manifest) ? change : 0));
        listener.SetMeasurementEventCallback<double>((_, seconds, tags, _) =>
        {
            lock (waits)
                if (tags.Contains(Manifest))
                    waits.Add(seconds);
        });
        listener.Start();
        var reads = Enumerable.Range(0, ManifestReadLimiter.MaxPerHost + 3).Select(_ => Read("slow.example.com")).ToList();
        await Eventually.True(() => reading == ManifestReadLimiter.MaxPerHost, "the host has its share");

        Assert.Equal(3, waiting);

        time.Advance(TimeSpan.FromSeconds(7));
        slow.SetResult();
        await Task.WhenAll(reads);
        Assert.Equal(0, waiting);
        Assert.Equal(3, waits.Count(seconds => seconds == 7));
    }

    private Task<int> Read(string host) => limiter.Run(host, async ct =>
    {
        Interlocked.Increment(ref reading);
        await slow.Task.WaitAsync(ct);
        return 0;
    }, Stop);
}
