using System.Globalization;

namespace Kuik.Bench.Pull;

/// <summary>The targets, and their comparison with the results.</summary>
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
        AtMost(results, PullSuite.LargeBlobs(1), $"{Results.Kuik}/nginx", "CPU per GB", 2, "times nginx's");
        AtMost(results, PullSuite.LargeBlobs(4), $"{Results.Kuik}/nginx", "CPU per GB", 1.5, "times nginx's");
        AtMost(results, PullSuite.SlowBlobs, Results.Kuik, "peak memory", 100, "MB resident", MegabytesOfMebibyte);
        AtMost(results, PullSuite.Memory, Results.Kuik, "idle, metrics on", 25, "MB resident", MegabytesOfMebibyte);
        AtMost(results, PullSuite.Start, Results.Kuik, "first answer", 300, "ms", 1000);
    }

    private static void AtLeast(Results results, string @case, string peer, string metric, double goal, string what)
    {
        if (results.Find(PullSuite.Suite, @case, $"{Results.Kuik}/{peer}", metric) is { } found)
            results.Goal($"{@case}: at least {Show(goal)} times {what}", Show(found.Median), found.Median >= goal);
    }

    private static void AtMost(Results results, string @case, string subject, string metric, double goal, string what, double scale = 1)
    {
        if (results.Find(PullSuite.Suite, @case, subject, metric) is { } found)
            results.Goal($"{@case}, {metric}: at most {Show(goal)} {what}", Show(found.Median * scale), found.Median * scale <= goal);
    }

    private static string Show(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);
}
