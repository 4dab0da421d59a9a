using System.Globalization;
using Kuik.Contracts;
using Kuik.Testing;

namespace Kuik.Bench.Scale;

/// <summary>
/// pod-watcher and expiry on a large cluster: 1. the first observation, 2. pods that come and go, 3. the same with ten times the history in
/// the log. README.md says what is measured.
/// </summary>
internal sealed class ScaleSuite : IAsyncDisposable
{
    public const string Suite = "scale";

    /// <summary>Where resources are.</summary>
    public const string CachedImages = "apis/kuik.enix.io/v1alpha1/cachedimages";

    private const int MoreHistory = 10;

    private static readonly string[] WritingVerbs = ["create", "patch", "delete"];
    private static readonly TimeSpan Settling = TimeSpan.FromMinutes(10);

    private readonly ScaleOptions _options;
    private readonly Results _results;
    private readonly ScriptedCluster _cluster;
    private readonly ScaledCluster _load;
    private readonly DatabaseUse _database;
    private readonly CancellationTokenSource _stop = new();
    private KuikService? _watcher;
    private KuikService? _expiry;

    private ScaleSuite(ScaleOptions options, Results results, ScriptedCluster cluster)
    {
        (_options, _results, _cluster) = (options, results, cluster);
        _load = new ScaledCluster(cluster.Kubernetes, options);
        _database = new DatabaseUse(cluster);
    }

    public static async Task Run(Results results)
    {
        var cluster = await ScriptedCluster.Start(await Postgres.StartOwn(settings: "shared_preload_libraries=pg_stat_statements"));
        cluster.Binaries = Path.Combine(Checkout.Root, "artifacts/publish");   // compiled ahead, as in container images
        cluster.Kubernetes.KeepsLedger = false;
        cluster.Kubernetes.BookmarkInterval = TimeSpan.FromSeconds(60);
        foreach (var announcement in new[] { typeof(FetchDue), typeof(EvictionDue) })
            await (await RabbitMq.Shared()).Discard(cluster.Bus, $"{announcement.Namespace}:{announcement.Name}");
        await using var suite = new ScaleSuite(ScaleOptions.Read(), results, cluster);
        await suite.Measure();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _cluster.DisposeAsync();
        _stop.Dispose();
    }

    private async Task Measure()
    {
        Say($"making {_options.Pods} pods over {_options.Images} images");
        _load.Fill();
        _ = _load.Follow(_stop.Token);
        await FirstObservation();
        var first = await ComeAndGo("come and go");
        Say($"making the log {MoreHistory} times as long");
        await StopServices();
        await GrowHistory.Run(_cluster, MoreHistory);
        await StartServices();
        await Recorded();
        var late = await ComeAndGo($"come and go, {MoreHistory} times the history");
        Judge($"an event is shown no more than 1.2 times later with {MoreHistory} times the history (p50)", late.P50 / first.P50, 1.2,
            "times");
        Judge($"an event is shown no more than 1.2 times later with {MoreHistory} times the history (p99)", late.P99 / first.P99, 1.2,
            "times");
    }

    private async Task FirstObservation()
    {
        const string Case = "first observation";
        Say("pod-watcher and expiry start");
        var begun = TimeProvider.System.GetTimestamp();
        await StartServices();
        await Recorded();
        var recorded = TimeProvider.System.GetElapsedTime(begun).TotalSeconds;
        await Until(() => Task.FromResult(_cluster.Kubernetes.Count(CachedImages) > _options.Images), "every CachedImage is written");
        var written = TimeProvider.System.GetElapsedTime(begun).TotalSeconds;
        Add(Case, "pods recorded", "s", recorded);
        Add(Case, "pods recorded", "1/s", _options.Pods / recorded);
        Add(Case, "resources written", "s", written);
        AddMemory(Case);
        Judge("pods are recorded at 1,000 a second", 1000 / (_options.Pods / recorded), 1, "times the time");
    }

    private async Task<(double P50, double P99)> ComeAndGo(string @case)
    {
        Say($"{@case}: {_options.WarmUp.TotalSeconds:0} s to warm up");
        await _load.ComeAndGo(_options.WarmUp);
        await _database.Forget();
        var (bytes, gone, writes) = (await _database.LogBytes(), await _database.Count("PodGone"), Writes());
        Say($"{@case}: {_options.Rate} pod events a second for {_options.Duration.TotalSeconds:0} s");
        var rate = await _load.ComeAndGo(_options.Duration);
        Add(@case, "pod events", "1/s", rate);
        Add(@case, "writes to the Kubernetes API", "1/s", (Writes() - writes) / _options.Duration.TotalSeconds);
        Add(@case, "events not shown at the end of the load", "events", _load.Unshown);
        await Recorded();
        await Until(() => Task.FromResult(_load.Unshown == 0), "every event is shown");
        var latencies = _load.Latencies.Order().ToList();
        var (p50, p99) = (latencies[latencies.Count / 2] / 1000, latencies[(int)(latencies.Count * 0.99)] / 1000);
        Add(@case, "pod event to resource, p50", "s", p50);
        Add(@case, "pod event to resource, p99", "s", p99);
        Add(@case, "database", "bytes", await _database.Bytes());
        Add(@case, "log a pod life", "bytes", (await _database.LogBytes() - bytes) / Math.Max(1, await _database.Count("PodGone") - gone));
        AddMemory(@case);
        foreach (var (statement, mean, most, calls) in await _database.SlowestStatements())
        {
            Add(@case, $"`{statement}` mean", "ms", mean);
            Add(@case, $"`{statement}` longest", "ms", most);
            Add(@case, $"`{statement}` calls", "calls", calls);
        }
        Judge($"{@case}: an event is shown within 2 s (p99)", p99, 2, "s");
        return (p50, p99);
    }

    private async Task StartServices()
    {
        // The images are not there to be copied, and no image-fetcher runs: they stay wanted, and are not announced again meanwhile,
        // because a queue takes the announcements.
        (string, string?)[] settings =
            [("Kuik:RequestLease", "10:00:00"), ("Kuik:LeaseDuration", "00:00:15"), ("Kuik:SweepInterval", null)];
        _watcher = await _cluster.StartService("PodWatcher", "healthz", settings);
        _expiry = await _cluster.StartService("Expiry", "healthz", settings);
    }

    private async Task StopServices()
    {
        await _watcher!.Stop();
        await _expiry!.Stop();
    }

    private Task Recorded() => Until(async () => await _database.Rows("image_users") == 2 * _load.Live, "every pod is recorded");

    /// <summary>Looks once a second: more often would cost what is measured.</summary>
    private static async Task Until(Func<Task<bool>> condition, string what)
    {
        var begun = TimeProvider.System.GetTimestamp();
        while (!await condition())
        {
            if (TimeProvider.System.GetElapsedTime(begun) > Settling)
                throw new TimeoutException($"not in time: {what}");
            await Task.Delay(TimeSpan.FromSeconds(1));
        }
    }

    private int Writes() =>
        WritingVerbs.Sum(verb =>
            _cluster.Kubernetes.Requests(verb, "cachedimages") + _cluster.Kubernetes.Requests(verb, "repositories"));

    private void AddMemory(string @case)
    {
        foreach (var (name, service, goal) in new[] { ("pod-watcher", _watcher!, 300), ("expiry", _expiry!, 150) })
        {
            var (resident, files) = (ProcessUsage.ResidentMemory(service.Process.Id), ProcessUsage.FilePages(service.Process.Id));
            Add(@case, $"{name}: resident memory", "MiB", resident);
            Add(@case, $"{name}: pages of files in it", "MiB", files);
            Add(@case, $"{name}: peak memory", "MiB", ProcessUsage.PeakMemory(service.Process.Id)!.Value);
            Judge($"{@case}: {name} holds at most {goal} MB beside pages of files", resident - files, goal, "MiB");
        }
    }

    private void Add(string @case, string metric, string unit, double value) =>
        _results.Add(Suite, @case, Results.Kuik, metric, unit, value);

    private void Judge(string goal, double measured, double atMost, string unit) =>
        _results.Goal(goal, string.Create(CultureInfo.InvariantCulture, $"{measured:0.00} {unit}"), measured <= atMost);

    private static void Say(string what) => Setting.Say(Suite, what);
}
