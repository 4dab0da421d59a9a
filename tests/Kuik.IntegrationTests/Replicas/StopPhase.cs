namespace Kuik.IntegrationTests.Replicas;

/// <summary>The work of a replica at the moment it is told to stop.</summary>
public enum StopPhase
{
    /// <summary>The origin has not answered for the manifest.</summary>
    BeforeManifest,

    /// <summary>One blob is under way for a background copy, and others wait for their turn.</summary>
    WaitingForTurn,

    /// <summary>The origin has not begun to answer for a blob.</summary>
    BeforeBlobHead,

    /// <summary>A part of a blob has come, which a client reads.</summary>
    MidBodyWithClient,

    /// <summary>A part of a blob has come, for a background copy alone.</summary>
    MidBodyWithCopy,

    /// <summary>A blob has come, and the cache has not taken it yet.</summary>
    CacheUpload,

    /// <summary>A part of a blob has come, and another replica joins.</summary>
    PeerJoins,
}
