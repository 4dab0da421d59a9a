using System.Diagnostics;
using Kuik.Contracts;
using Kuik.Testing;

namespace Kuik.Bench.Copy;

/// <summary>The images to copy in a run, and the two programs that do it.</summary>
internal sealed class CopyCase(CopySet set, bool isHalfFull, Registry origin, CopySet warmUp)
{
    /// <summary>As many images at a time as image-fetcher takes by default (<c>Kuik:Fetch:MaxConcurrentImages</c>).</summary>
    public const int ImagesAtOnce = 3;

    /// <summary>As many blobs at a time as skopeo takes of one image.</summary>
    public const int BlobsAtOnce = 6;

    // skopeo remembers where it has seen blobs; these caches are none of the user's, and gone with the run.
    private static readonly string SkopeoMemory = Sandbox.Shared.NewFolder("skopeo");

    private int requestsSeen;

    public CopySet Set => set;

    public bool IsHalfFull => isHalfFull;

    public string Name => NameOf(set.Name, isHalfFull);

    public static string NameOf(string set, bool isHalfFull) => $"{set}, {(isHalfFull ? "half there" : "cold")}";

    /// <summary>By a copy engine that has started just now and copied a few other images, so that its code is compiled.</summary>
    public async Task<CopyUse> ByKuik(Registry cache)
    {
        var engine = await HostCopyEngine.Start(cache, [origin.Host], BlobsAtOnce);
        var process = engine.Process.Id;
        var idle = ProcessUsage.ResidentMemory(process);
        await engine.Copy(warmUp.Images.Select(image => image.Name), ImagesAtOnce);
        ProcessUsage.ForgetPeak(process);
        requestsSeen = origin.Requests().Count;

        var cpu = ProcessUsage.CpuSeconds(process);
        var registries = CpuSecondsOfRegistries(cache);
        var started = Stopwatch.GetTimestamp();
        await engine.Copy(set.Images.Select(image => image.Name), ImagesAtOnce);
        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;

        var use = new CopyUse(seconds, ProcessUsage.CpuSeconds(process) - cpu, CpuSecondsOfRegistries(cache) - registries,
            ProcessUsage.PeakMemory(process)!.Value, idle);
        await engine.Stop();
        return use;
    }

    /// <summary>By as many skopeos side by side as kuik copies images.</summary>
    public async Task<CopyUse> BySkopeo(Registry cache)
    {
        var peak = 0d;
        requestsSeen = origin.Requests().Count;
        var cpu = ProcessUsage.CpuSecondsOfEndedChildren();
        var registries = CpuSecondsOfRegistries(cache);
        var started = Stopwatch.GetTimestamp();
        await Parallel.ForEachAsync(set.Images, new ParallelOptions { MaxDegreeOfParallelism = ImagesAtOnce }, async (image, stop) =>
        {
            var reached = await CopyWithSkopeo(cache, image.Name, stop);
            lock (set)
                peak = Math.Max(peak, reached);
        });
        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        return new CopyUse(seconds, ProcessUsage.CpuSecondsOfEndedChildren() - cpu, CpuSecondsOfRegistries(cache) - registries, peak,
            IdleMemory: null);
    }

    /// <summary>The origin's own log of the run that has just ended.</summary>
    public (long All, long OfOldLayers) BytesSent()
    {
        var sent = origin.Requests().Skip(requestsSeen).Where(request => request.Method == "GET").ToList();
        return (sent.Sum(request => request.BytesSent),
            sent.Where(request => set.OldLayers.Contains(request.Path.Split('/')[^1])).Sum(request => request.BytesSent));
    }

    private double CpuSecondsOfRegistries(Registry cache) =>
        ProcessUsage.CpuSeconds(origin.Process.Id) + ProcessUsage.CpuSeconds(cache.Process.Id);

    /// <returns>Its peak of memory in MiB. Read while it runs: what wait4 says begins with the memory of this process, from which it was
    /// forked.</returns>
    private static async Task<double> CopyWithSkopeo(Registry cache, string name, CancellationToken ct)
    {
        var start = new ProcessStartInfo("skopeo",
            ["--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false",
            $"docker://{name}", $"docker://{cache.Host}/{CachePath.Of(ImageReference.Parse(name))}:2"])
        {
            Environment = { ["XDG_DATA_HOME"] = SkopeoMemory, ["_CONTAINERS_ROOTLESS_UID"] = "1000" },
        };
        using var process = Process.Start(start)!;
        var ended = process.WaitForExitAsync(ct);
        var peak = 0d;
        while (await Task.WhenAny(ended, Task.Delay(5, ct)) != ended)
            peak = Math.Max(peak, ProcessUsage.PeakMemory(process.Id) ?? 0);
        await ended;
        return process.ExitCode == 0
            ? peak
            : throw new ServerFailedException($"skopeo copy of {name} ended with exit code {process.ExitCode}");
    }
}
