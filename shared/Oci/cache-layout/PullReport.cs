namespace Kuik.Oci;

/// <summary>The pulls that a node-proxy has answered since its last report. It sends them to image-fetcher; one that is lost is
/// lost.</summary>
/// <param name="Node">The node's name.</param>
/// <param name="Pulls">One for each image, at most <see cref="MostImages"/>.</param>
public sealed record PullReport(string Node, IReadOnlyList<CountedPulls> Pulls)
{
    /// <summary>The path, at image-fetcher, that a report is POSTed to, as JSON.</summary>
    public const string Path = "/kuik/pulls";

    /// <summary>The limit of images in one report.</summary>
    public const int MostImages = 2000;
}
