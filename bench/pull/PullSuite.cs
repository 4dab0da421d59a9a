using System.Diagnostics;

namespace Kuik.Bench.Pull;

/// <summary>Pulls through node-proxy, as published, against nginx before the same store, and against that store (for manifests: the
/// registry) asked directly, by turns.</summary>
internal sealed class PullSuite
{
    public const string Suite = "pull";
    public const string SmallBlobs = "20 KB blobs, 16 connections";
    public const string ParallelBlobs = "200 MB blobs, 8 streams";
    public const string Memory = "memory";
    public const string BareBlob = "200 MB blob without a checksum, 1 stream";
    public const string Start = "start";
    public const string SlowBlobs = "100 streams at 1 MB/s";

    private static readonly int Runs = Setting.Number("RUNS", 5);
    private static readonly int Seconds = Setting.Number("DURATION", 5);

    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(15);   // node-proxy gives memory back every 10

    private readonly Results results;
    private readonly PullSet set;
    private readonly PullServer[] proxies;

    private PullSuite(Results results, PullSet set, PullServer kuik, PullServer nginx) =>
        (this.results, this.set, proxies) = (results, set, [kuik, nginx]);

    public static string Manifests(int connections) => $"warm manifest, {connections} connection{(connections == 1 ? "" : "s")}";

    public static string LargeBlobs(int streams) => $"1 GB blob, {streams} stream{(streams == 1 ? "" : "s")}";

    public static async Task Run(Results results)
    {
        Say("making blobs and starting servers");
        var set = await PullSet.Make();
        await MeasureStart(results, set);
        var nginx = await StartNginx.Proxy(set.Store);
        try
        {
            var (kuik, metrics, _) = await StartPublished.NodeProxy(set.Store);
            using var http = new HttpClient();
            await http.GetStringAsync(metrics);
            await new PullSuite(results, set, kuik, nginx).Run();
        }
        finally
        {
            await nginx.Process.Stop();
            Directory.Delete(StartNginx.CacheInMemory, recursive: true);
        }
        QuotedV1.Add(results);
        JudgePulls.Run(results);
    }

    private static async Task MeasureStart(Results results, PullSet set)
    {
        for (var run = 1; run <= Runs; run++)
        {
            var (server, _, firstAnswer) = await StartPublished.NodeProxy(set.Store);
            results.Add(Suite, Start, Results.Kuik, "first answer", "s", firstAnswer);
            await server.Process.Stop();
        }
    }

    private async Task Run()
    {
        await Task.Delay(Settled);
        MeasureMemory("idle, metrics on");
        for (var run = 1; run <= Runs; run++)
            await RunAll(run);
        await Task.Delay(Settled);
        MeasureMemory("after all of it");
    }

    private async Task RunAll(int run)
    {
        foreach (var connections in new[] { 1, 16, 64 })
            await Each(Manifests(connections), run, [.. proxies, set.Registry],
                server => Ask(server, Manifests(connections), set.Manifest, connections));
        await Each(SmallBlobs, run, [.. proxies, set.Registry], server => Ask(server, SmallBlobs, set.Small, 16));
        await Each(LargeBlobs(1), run, [.. proxies, set.Store], server => Take(server, LargeBlobs(1), set.Gigabyte, 1));
        await Each(LargeBlobs(4), run, [.. proxies, set.Store], server => Take(server, LargeBlobs(4), set.Gigabyte, 4));
        await Each(BareBlob, run, [.. proxies, set.Store], server => Take(server, BareBlob, set.Bare, 1));
        await Each(ParallelBlobs, run, [.. proxies, set.Store], server => Take(server, ParallelBlobs, set.Layer, 8));
        await Each(SlowBlobs, run, proxies, TakeSlowly);
    }

    // The order rotates: the first one is last in the next run.
    private static async Task Each(string @case, int run, PullServer[] servers, Func<PullServer, Task> measure)
    {
        if (!@case.Contains(Setting.Wanted, StringComparison.Ordinal))
            return;
        Say($"{@case}, run {run} of {Runs}");
        foreach (var server in run % 2 == 0 ? servers : servers.Reverse())
            await measure(server);
    }

    private async Task Ask(PullServer server, string @case, PullItem item, int connections)
    {
        var address = new Uri(server.Endpoint, item.Path);
        await RunWrk.Run(address, connections, seconds: 1);   // warm
        var cpu = server.CpuSeconds;
        var load = await RunWrk.Run(address, connections, Seconds);
        results.Add(Suite, @case, server.Name, "requests", "1/s", load.RequestsPerSecond);
        results.Add(Suite, @case, server.Name, "latency p50", "ms", load.MedianMilliseconds);
        results.Add(Suite, @case, server.Name, "latency p99", "ms", load.P99Milliseconds);
        results.Add(Suite, @case, server.Name, "CPU per request", "us",
            (server.CpuSeconds - cpu) * 1e6 / (load.RequestsPerSecond * Seconds));
    }

    private async Task Take(PullServer server, string @case, PullItem item, int streams)
    {
        var (cpu, begun) = (server.CpuSeconds, Stopwatch.GetTimestamp());
        await Task.WhenAll(Enumerable.Range(0, streams).Select(_ => Download.Whole(new Uri(server.Endpoint, item.Path), item.Size)));
        results.Add(Suite, @case, server.Name, "throughput", "MB/s",
            item.Size * streams / 1e6 / Stopwatch.GetElapsedTime(begun).TotalSeconds);
        results.Add(Suite, @case, server.Name, "CPU per GB", "s", (server.CpuSeconds - cpu) * 1e9 / (item.Size * streams));
    }

    private async Task TakeSlowly(PullServer server)
    {
        results.Add(Suite, Memory, server.Name, "peak of everything before the slow streams", "MiB", server.PeakMemory);
        server.ForgetPeak();
        await Task.WhenAll(Enumerable.Range(0, 100)
            .Select(_ => Download.Slowly(new Uri(server.Endpoint, set.Layer.Path), 1_000_000, TimeSpan.FromSeconds(2 * Seconds))));
        results.Add(Suite, SlowBlobs, server.Name, "peak memory", "MiB", server.PeakMemory);
    }

    private void MeasureMemory(string when)
    {
        foreach (var server in proxies)
            results.Add(Suite, Memory, server.Name, when, "MiB", server.ResidentMemory);
    }

    private static void Say(string what) => Setting.Say(Suite, what);
}
