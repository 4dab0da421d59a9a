using System.Globalization;
using Kuik.Testing;

namespace Kuik.Bench.Copy;

/// <summary>The resource use of one run.</summary>
/// <param name="Seconds">From the order to the end of the last copy.</param>
/// <param name="CpuSeconds">Of the subject's processes.</param>
/// <param name="RegistriesCpuSeconds">Of origin and cache.</param>
/// <param name="PeakMemory">Of the subject's largest process, in MiB.</param>
/// <param name="IdleMemory">Of the same process before it had copied anything, in MiB; null for one that is not there then.</param>
internal sealed record CopyUse(double Seconds, double CpuSeconds, double RegistriesCpuSeconds, double PeakMemory, double? IdleMemory);

/// <summary>
/// Copies of images from a registry into another one: kuik's copy engine against <c>skopeo copy</c>, by turns, each run into a cache of its
/// own. With SOAK=1, 10 GB through one engine instead.
/// </summary>
internal static class CopySuite
{
    public const string Suite = "copy";

    private static readonly int Runs = Setting.Number("RUNS", 5);

    public static async Task Run(Results results)
    {
        var origin = await Registry.Start(new RegistryOptions { Name = "origin" });
        if (Environment.GetEnvironmentVariable("SOAK") == "1")
        {
            await SoakCopy.Run(origin, results);
            return;
        }
        var warmUp = await CopySet.Make("warm-up", origin, count: 20, _ => [10_000, 10_000]);
        await Measure("100 small images", speed: 1.3,
            name => CopySet.Make(name, origin, count: 100, image => [20_000, 50_000 + (image * 500), 100_000, 200_000]));
        await Measure("1 GB image", speed: 1, name => CopySet.Make(name, origin, count: 1, _ => [.. Enumerable.Repeat(100_000_000, 10)]));
        if (SlowOriginCase.Name.Contains(Setting.Wanted, StringComparison.Ordinal))
            await SlowOriginCase.Run(results, Runs);

        async Task Measure(string name, double speed, Func<string, Task<CopySet>> make)
        {
            CopySet? set = null;
            foreach (var isHalfFull in new[] { false, true })
            {
                if (!CopyCase.NameOf(name, isHalfFull).Contains(Setting.Wanted, StringComparison.Ordinal))
                    continue;
                Say($"making {name}");
                var @case = new CopyCase(set ??= await make(name), isHalfFull, origin, warmUp);
                await CopySuite.Measure(@case, results);
                Judge(@case, speed, results);
            }
        }
    }

    private static async Task Measure(CopyCase @case, Results results)
    {
        for (var run = 1; run <= Runs; run++)
        {
            Say($"{@case.Name}, run {run} of {Runs}");
            await Measure(@case, "skopeo", @case.BySkopeo, results);
            await Measure(@case, Results.Kuik, @case.ByKuik, results);
        }
    }

    private static async Task Measure(CopyCase @case, string subject, Func<Registry, Task<CopyUse>> copy, Results results)
    {
        void Add(string metric, string unit, double value) => results.Add(Suite, @case.Name, subject, metric, unit, value);

        var cache = await @case.Set.NewCache(@case.IsHalfFull);
        var use = await copy(cache);
        var sent = @case.BytesSent();
        await @case.Set.Check(cache);
        await cache.Stop();
        Directory.Delete(cache.DataFolder, recursive: true);

        Add("wall time", "s", use.Seconds);
        Add("CPU", "s", use.CpuSeconds);
        Add("CPU of the two registries", "s", use.RegistriesCpuSeconds);
        Add("peak memory", "MiB", use.PeakMemory);
        if (use.IdleMemory is { } idle)
            Add("peak memory above idle", "MiB", use.PeakMemory - idle);
        Add("sent by the origin", "bytes", sent.All);
        if (@case.IsHalfFull)
            Add("sent by the origin, of layers that were there", "bytes", sent.OfOldLayers);
    }

    private static void Judge(CopyCase @case, double speed, Results results)
    {
        double Median(string subject, string metric) => results.Median(Suite, @case.Name, subject, metric);

        var faster = 1 / Median(Results.Kuik + "/skopeo", "wall time");
        results.Goal(string.Create(CultureInfo.InvariantCulture, $"{@case.Name}: at least {speed:0.0} times skopeo's speed"), Show(faster),
            faster >= speed);
        var memory = Median(Results.Kuik, "peak memory above idle");
        results.Goal($"{@case.Name}: peak memory at most 40 MB above the same process idle", Show(memory) + " MiB",
            memory * 1.048576 <= 40);
        if (!@case.IsHalfFull)
            return;
        var twice = Median(Results.Kuik, "sent by the origin, of layers that were there");
        results.Goal($"{@case.Name}: the origin sends nothing that was there", Show(twice) + " bytes", twice == 0);
    }

    private static string Show(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    internal static void Say(string what) => Setting.Say(Suite, what);
}
