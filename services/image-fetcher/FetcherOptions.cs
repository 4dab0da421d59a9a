using Kuik.Hosting;
using Kuik.ImageFetcher.CopyEngine;

namespace Kuik.ImageFetcher;

/// <summary>How this replica takes part in the work.</summary>
/// <param name="Name"><c>Kuik:Fetcher:Name</c>: what its leases are recorded under; unique among the live replicas and the same after a restart. Default: the
/// machine's name (in Kubernetes the pod's), a colon and the port it listens on.</param>
/// <param name="Lease"><c>Kuik:Fetch:Lease</c>: how long after its last sign of life a replica that copies an image is taken to be gone. Default 2 minutes; at least 2 seconds.</param>
/// <param name="MaxConcurrentImages"><c>Kuik:Fetch:MaxConcurrentImages</c>: images this replica copies at a time; an origin host of which it copies none may always
/// have one more. Default 3; 1 to 100.</param>
public sealed record FetcherOptions(string Name, TimeSpan Lease, int MaxConcurrentImages)
{
    /// <summary>
    /// <c>Kuik:Fetch:OpenTagsWithoutPostgres</c>: true or false, whether a tag is opened by the pull secrets of other tags of its
    /// repository while connections to Postgres are refused or broken, so that pods which nothing has observed yet can pull a private
    /// image. Default false.
    /// </summary>
    public bool OpenTagsWithoutPostgres { get; init; }

    /// <summary>Reads them.</summary>
    /// <exception cref="InvalidSettingException">One cannot be used.</exception>
    public static FetcherOptions From(IConfiguration configuration) => new(
        configuration.Read("Kuik:Fetcher:Name", $"{Environment.MachineName}:{CopyEngineSetup.PortOf(configuration)}", "a name of its own for each replica"),
        configuration.Read("Kuik:Fetch:Lease", TimeSpan.FromMinutes(2), "a duration of at least 00:00:02, such as 00:02:00", lease => lease >= TimeSpan.FromSeconds(2)),
        configuration.Read("Kuik:Fetch:MaxConcurrentImages", 3, "a number from 1 to 100", images => images is >= 1 and <= 100))
    {
        OpenTagsWithoutPostgres = configuration.Read("Kuik:Fetch:OpenTagsWithoutPostgres", false, "true or false"),
    };
}
