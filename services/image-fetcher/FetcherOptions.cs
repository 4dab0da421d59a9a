using Kuik.Hosting;
using Kuik.ImageFetcher.CopyEngine;

namespace Kuik.ImageFetcher;

/// <summary>The options of this replica's consumers.</summary>
/// <param name="Name"><c>Kuik:Fetcher:Name</c>: the owner's name in its leases; unique among the live replicas and the same after a
/// restart. Default: the machine's name (in Kubernetes the pod's), a colon and the port it listens on.</param>
/// <param name="Lease"><c>Kuik:Fetch:Lease</c>: the duration of a lease on a copy; a replica that does not renew it for so long counts as
/// gone. Default 2 minutes; at least 2 seconds.</param>
/// <param name="MaxConcurrentImages"><c>Kuik:Fetch:MaxConcurrentImages</c>: images this replica copies at a time; an origin host without a
/// running copy is always allowed one more. Default 3; 1 to 100.</param>
public sealed record FetcherOptions(string Name, TimeSpan Lease, int MaxConcurrentImages)
{
    /// <summary>
    /// <c>Kuik:Fetch:OpenTagsWithoutPostgres</c>: true or false, whether the pull secrets of other tags of a repository are tried for
    /// a tag while connections to Postgres are refused or broken, so that pods that have not been observed yet can pull a private
    /// image. Default false.
    /// </summary>
    public bool OpenTagsWithoutPostgres { get; init; }

    /// <summary>Parses the options from the configuration.</summary>
    /// <exception cref="InvalidSettingException">A value is invalid.</exception>
    public static FetcherOptions From(IConfiguration configuration) => new(
        configuration.Read("Kuik:Fetcher:Name", $"{Environment.MachineName}:{CopyEngineSetup.PortOf(configuration)}",
            "a name of its own for each replica"),
        configuration.Read("Kuik:Fetch:Lease", TimeSpan.FromMinutes(2), "a duration of at least 00:00:02, such as 00:02:00",
            lease => lease >= TimeSpan.FromSeconds(2)),
        configuration.Read("Kuik:Fetch:MaxConcurrentImages", 3, "a number from 1 to 100", images => images is >= 1 and <= 100))
    {
        OpenTagsWithoutPostgres = configuration.Read("Kuik:Fetch:OpenTagsWithoutPostgres", false, "true or false"),
    };
}
