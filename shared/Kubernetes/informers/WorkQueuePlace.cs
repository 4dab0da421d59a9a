namespace Kuik.Kubernetes;

/// <summary>The place of a key in a <see cref="WorkQueue"/>.</summary>
internal enum WorkQueuePlace
{
    /// <summary>To be taken.</summary>
    Queued,

    /// <summary>To be queued when it is due.</summary>
    Waiting,

    /// <summary>Being reconciled.</summary>
    Taken,
}
