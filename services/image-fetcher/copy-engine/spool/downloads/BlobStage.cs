namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The stage of a blob's download.</summary>
internal enum BlobStage
{
    /// <summary>Other replicas are being asked for it.</summary>
    Asking,

    /// <summary>Another replica sends it.</summary>
    AtPeer,

    /// <summary>An origin is asked for it, or sends it.</summary>
    AtOrigin,
}
