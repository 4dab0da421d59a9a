namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>How far a blob's download is.</summary>
internal enum BlobStage
{
    /// <summary>Other replicas are being asked whether they have it.</summary>
    Asking,

    /// <summary>Another replica sends it.</summary>
    AtPeer,

    /// <summary>An origin is asked for it, or sends it.</summary>
    AtOrigin,
}
