using System.Diagnostics;
using System.Globalization;
using Kuik.Contracts;
using Kuik.Testing;

namespace Kuik.Bench.Copy;

/// <summary>
/// 50 clients pull 20 cold images from five origins through three replicas. Four origins are measured: with the fifth one as fast as they
/// are, and with it slow.
/// </summary>
internal static class SlowOriginCase
{
    public const string Name = "one slow origin of five";

    private const string WithSlow = Results.Kuik;
    private const string Without = "without it";
    private const string Metric = "wall time of the four others";
    private const int Clients = 50;
    private const int Images = 20;
    private const int Origins = 5;
    private const int Replicas = 3;
    private const int LayerSize = 2_000_000;
    private const int BytesPerSecond = 20_000;

    public static async Task Run(Results results, int runs)
    {
        for (var run = 1; run <= runs; run++)
        {
            CopySuite.Say($"{Name}, run {run} of {runs}");
            results.Add(CopySuite.Suite, Name, Without, Metric, "s", await Seconds(isSlow: false, run));
            results.Add(CopySuite.Suite, Name, WithSlow, Metric, "s", await Seconds(isSlow: true, run));
        }
        var slower = results.Median(CopySuite.Suite, Name, $"{WithSlow}/{Without}", Metric);
        var measured = slower.ToString("0.00", CultureInfo.InvariantCulture);
        results.Goal($"{Name}: the four others take at most 1.1 times as long as without it", measured, slower <= 1.1);
    }

    private static async Task<double> Seconds(bool isSlow, int run)
    {
        var origins = await Task.WhenAll(Enumerable.Range(0, Origins).Select(_ => ScriptedOrigin.Start()));
        var images = Enumerable.Range(0, Images).Select(i => Add(origins[i % Origins], (1000 * run) + i)).ToList();
        var cache = await Registry.Start(new RegistryOptions { Name = "cache" });
        var replicas = await HostCopyEngine.StartReplicas(cache, origins.Select(origin => origin.Host), Replicas);
        var warmUp = origins.Select((origin, i) => Add(origin, 900_000 + i)).ToList();
        await PullAll(replicas, warmUp, _ => true, CancellationToken.None);   // the code of each replica is compiled
        if (isSlow)
            origins[0].Script = request => request.IsBlobDownload ? SendInPieces.Paced(BytesPerSecond) : null;

        using var leave = new CancellationTokenSource();
        var begun = Stopwatch.GetTimestamp();
        var others = PullAll(replicas, images, image => image % Origins != 0, CancellationToken.None);
        var slow = PullAll(replicas, images, image => image % Origins == 0, leave.Token);
        await others;
        var seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;

        await leave.CancelAsync();
        await slow.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var replica in replicas)
            replica.Process.Kill();
        foreach (var origin in origins)
            await origin.DisposeAsync();
        await cache.Stop();
        Directory.Delete(cache.DataFolder, recursive: true);
        return seconds;
    }

    private static (string Name, TestImage Image) Add(ScriptedOrigin origin, int seed)
    {
        var image = TestImage.Of([TestLayer.Random(seed, LayerSize), TestLayer.Random(seed + 100_000, LayerSize)]);
        return (origin.Add($"team/app{seed}", "1", image), image);
    }

    private static Task PullAll(
        IReadOnlyList<HostCopyEngine> replicas, List<(string Name, TestImage Image)> images, Func<int, bool> isWanted,
        CancellationToken stop) =>
        Task.WhenAll(Enumerable.Range(0, Clients).Where(client => isWanted(client % images.Count))
            .Select(client => Pull(replicas[client % replicas.Count], images[client % images.Count], stop)));

    private static async Task Pull(HostCopyEngine replica, (string Name, TestImage Image) image, CancellationToken stop)
    {
        var path = CachePath.Of(ImageReference.Parse(image.Name));
        await replica.Pull($"{path}/manifests/1", stop);
        foreach (var blob in image.Image.Blobs)
            await replica.Pull($"{path}/blobs/{blob.Digest}", stop);
    }
}
