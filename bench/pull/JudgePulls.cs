using System.Globalization;

namespace Kuik.Bench.Pull;

/// <summary>What was to be reached, and whether it was.</summary>
internal static class JudgePulls
{
    private const double MegabytesOfMebibyte = 1.048576;

    public static void Run(Results results)
    {
        foreach (var connections in new[] { 1, 16, 64 })
        {
            AtLeast(results, PullSuite.Manifests(connections), "registry", "requests", 8, "the registry's requests a second");
            AtLeast(results, PullSuite.Manifests(connections), "nginx", "requests", 0.8, "those of nginx from its own cache");
        }
        foreach (var @case in new[] { PullSuite.LargeBlobs(1), PullSuite.LargeBlobs(4), PullSuite.ParallelBlobs })
            AtLeast(results, @case, "nginx", "throughput", 0.8, "nginx's throughput");
        Cpu(results, PullSuite.LargeBlobs(1), 2);
        Cpu(results, PullSuite.LargeBlobs(4), 1.5);
        AtMost(results, PullSuite.SlowBlobs, Results.Kuik, "peak memory", 100, "MB resident", MegabytesOfMebibyte);
        AtMost(results, PullSuite.Memory, Results.Kuik, "idle, metrics on", 25, "MB resident", MegabytesOfMebibyte);
        AtMost(results, PullSuite.Start, Results.Kuik, "first answer", 300, "ms", 1000);
    }

    private static void AtLeast(Results results, string @case, string peer, string metric, double goal, string what)
    {
        if (results.Find(PullSuite.Suite, @case, $"{Results.Kuik}/{peer}", metric) is { } found)
            results.Goal($"{@case}: at least {Show(goal)} times {what}", Show(found.Median), found.Median >= goal);
    }

    private static void AtMost(Results results, string @case, string subject, string metric, double goal, string what, double scale)
    {
        if (results.Find(PullSuite.Suite, @case, subject, metric) is { } found)
            results.Goal($"{@case}, {metric}: at most {Show(goal)} {what}", Show(found.Median * scale), found.Median * scale <= goal);
    }

    private static void Cpu(Results results, string @case, double goal)
    {
        double? Median(string subject) => results.Find(PullSuite.Suite, @case, subject, "CPU per GB")?.Median;

        if ((Median(Results.Kuik), Median("nginx"), Median(PullSuite.Hashing)) is not ({ } kuik, { } nginx, { } hashing))
            return;
        results.Goal($"{@case}: at most {Show(goal)} times nginx's CPU per GB", Show(kuik / nginx), kuik <= goal * nginx);
        results.Goal($"{@case}: the same without verifying, which nginx does not do", Show((kuik - hashing) / nginx), kuik - hashing <= goal * nginx);
    }

    private static string Show(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);
}
