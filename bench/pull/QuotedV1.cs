namespace Kuik.Bench.Pull;

/// <summary>
/// Results of kube-image-keeper v1's own proxy on a machine like this one, before the same registry: quoted, not measured here, so that
/// only its ratio to the registry of its own run can be compared. Lowest and highest of its runs.
/// </summary>
internal static class QuotedV1
{
    private const string Subject = "v1 (quoted)";

    public static void Add(Results results)
    {
        foreach (var (connections, low, high, ofRegistry) in new[] { (1, 232, 232, 0.28), (16, 230, 350, 0.30), (64, 413, 413, 0.27) })
        {
            results.Quote(PullSuite.Suite, PullSuite.Manifests(connections), Subject, "requests", "1/s", low, high);
            results.Quote(PullSuite.Suite, PullSuite.Manifests(connections), "v1/registry (quoted)", "requests", "ratio", ofRegistry,
                ofRegistry);
        }
        results.Quote(PullSuite.Suite, PullSuite.SmallBlobs, Subject, "requests", "1/s", 155, 243);
        results.Quote(PullSuite.Suite, PullSuite.ParallelBlobs, Subject, "throughput", "MB/s", 622, 693);
        results.Quote(PullSuite.Suite, PullSuite.ParallelBlobs, Subject, "CPU per GB", "s", 0.65, 0.65);
        results.Quote(PullSuite.Suite, PullSuite.Memory, Subject, "peak memory", "MiB", 17, 21);
    }
}
