namespace Kuik.Kubernetes;

/// <summary>The waits of a <see cref="WorkQueue"/>.</summary>
public sealed record WorkQueueOptions
{
    /// <summary>How long a new key waits, so that many changes of one object are processed together. Default 0.</summary>
    public TimeSpan Gather { get; init; }

    /// <summary>The first wait of a failed key; each further one is twice as long. Default 1 s.</summary>
    public TimeSpan FirstRetry { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest wait of a failed key. Default 1 minute: after an outage no key waits longer than that.</summary>
    public TimeSpan LongestRetry { get; init; } = TimeSpan.FromMinutes(1);
}
