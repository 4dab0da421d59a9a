using Kuik.Hosting;

namespace Kuik.ImageFetcher.Scrubbing;

/// <summary>Settings of the scrubber.</summary>
/// <param name="Folder"><c>Kuik:Scrub:Folder</c>: the root of the registry's file system storage, such as <c>/var/lib/registry</c>.
/// Required.</param>
/// <param name="BytesPerSecond"><c>Kuik:Scrub:BytesPerSecond</c>: read at most, so that pulls have the disk. Default 50,000,000; at least
/// 1,000,000.</param>
internal sealed record ScrubOptions(string Folder, long BytesPerSecond)
{
    private const string FolderKey = "Kuik:Scrub:Folder";

    /// <summary>Where the storage of distribution has its blobs, below the root.</summary>
    private const string BlobsBelowRoot = "docker/registry/v2/blobs";

    /// <summary>The folder of all blobs: <c>ALGORITHM/first two digits/HEX/data</c>.</summary>
    public string Blobs => Path.Combine(Folder, BlobsBelowRoot);

    /// <summary>Where damaged blobs are moved, on the same volume.</summary>
    public string Quarantine => Path.Combine(Folder, "kuik-quarantine");

    /// <summary>True where a folder is set. Object stores have none.</summary>
    public static bool IsSet(IConfiguration configuration) => configuration[FolderKey] is { Length: > 0 };

    /// <summary>Reads them.</summary>
    /// <exception cref="InvalidSettingException">One cannot be used.</exception>
    public static ScrubOptions From(IConfiguration configuration) => new(
        configuration[FolderKey] is { Length: > 0 } folder && Directory.Exists(folder) ? folder : throw new InvalidSettingException(
            FolderKey, configuration[FolderKey], "the root folder of the registry's file system storage, such as /var/lib/registry"),
        configuration.Read("Kuik:Scrub:BytesPerSecond", 50_000_000L, "a number of bytes of at least 1000000", rate => rate >= 1_000_000));
}
