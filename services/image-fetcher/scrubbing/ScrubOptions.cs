using Kuik.Hosting;

namespace Kuik.ImageFetcher.Scrubbing;

/// <summary>Settings of the scrubber.</summary>
/// <param name="Folder"><c>Kuik:Scrub:Folder</c>: the root of the registry's file system storage, such as <c>/var/lib/registry</c>.
/// Required.</param>
/// <param name="BytesPerSecond"><c>Kuik:Scrub:BytesPerSecond</c>: read at most, a size, so that pulls have the disk. Default 50M; at
/// least 1M.</param>
internal sealed record ScrubOptions(string Folder, long BytesPerSecond)
{
    private const string FolderKey = "Kuik:Scrub:Folder";
    private const string RateKey = "Kuik:Scrub:BytesPerSecond";
    private const long Slowest = 1_000_000;

    /// <summary>Where the storage of distribution has its blobs, below the root.</summary>
    private const string BlobsBelowRoot = "docker/registry/v2/blobs";

    private const string RepositoriesBelowRoot = "docker/registry/v2/repositories";

    /// <summary>The folder of all blobs: <c>ALGORITHM/first two digits/HEX/data</c>.</summary>
    public string Blobs => Path.Combine(Folder, BlobsBelowRoot);

    /// <summary>False before the first copy: the registry's own collector fails then.</summary>
    public bool HasRepositories => Directory.Exists(Path.Combine(Folder, RepositoriesBelowRoot));

    /// <summary>Where damaged blobs are moved, on the same volume.</summary>
    public string Quarantine => Path.Combine(Folder, "kuik-quarantine");

    /// <summary>True where a folder is set. Object stores have none.</summary>
    public static bool IsSet(IConfiguration configuration) => configuration[FolderKey] is { Length: > 0 };

    /// <summary>Reads them.</summary>
    /// <exception cref="InvalidSettingException">One cannot be used.</exception>
    public static ScrubOptions From(IConfiguration configuration) => new(
        configuration[FolderKey] is { Length: > 0 } folder && Directory.Exists(folder) ? folder : throw new InvalidSettingException(
            FolderKey, configuration[FolderKey], "the root folder of the registry's file system storage, such as /var/lib/registry"),
        configuration.ReadSize(RateKey, 50_000_000) is >= Slowest and var rate ? rate : throw new InvalidSettingException(
            RateKey, configuration[RateKey], "a size of at least 1M, such as 50M or 50Mi"));
}
