namespace Kuik.ImageFetcher;

/// <summary>The decision on an announced fetch.</summary>
public enum FetchDecision
{
    /// <summary>This replica takes the image on.</summary>
    Take,

    /// <summary>The cache can serve it.</summary>
    AlreadyCached,

    /// <summary>It has expired since, or was never requested.</summary>
    NotWanted,

    /// <summary>Another replica is at it and has been heard of recently. If it dies, expiry announces the image again.</summary>
    HeldByAnother,

    /// <summary>Several replicas in a row have ended while they copied it, perhaps because of it: that is recorded as a failure.</summary>
    EndsReplicas,

    /// <summary>The last copy failed and its time to be tried again has not come; expiry announces it then.</summary>
    NotYetDue,
}
