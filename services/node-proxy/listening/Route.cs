using Kuik.Contracts;

namespace Kuik.NodeProxy;

/// <summary>The object that a request asks for.</summary>
internal abstract record Route
{
    /// <summary><c>/v2/</c>: does this speak the distribution's API?</summary>
    public sealed record Version : Route;

    /// <summary>A manifest by tag or digest (<see cref="ImageReference.Target"/>).</summary>
    public sealed record ManifestRoute(ImageReference Image) : Route;

    /// <summary>A blob by digest.</summary>
    public sealed record Blob(ImageReference Image) : Route;

    /// <summary>The tags of a repository; the image's own tag means nothing.</summary>
    public sealed record Tags(ImageReference Image) : Route;

    /// <summary>The referrers of a digest.</summary>
    public sealed record Referrers(ImageReference Image) : Route;

    /// <summary>Nothing that is answered here.</summary>
    /// <param name="Status">HTTP status.</param>
    /// <param name="Code">Error code of the distribution specification.</param>
    /// <param name="Message">One sentence.</param>
    public sealed record Refused(int Status, string Code, string Message) : Route;
}
