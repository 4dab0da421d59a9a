namespace Kuik.Kubernetes;

/// <summary>A key of a <see cref="WorkQueue"/>. Changed under its lock.</summary>
internal sealed class WorkQueueEntry
{
    public WorkQueuePlace Place { get; set; }

    public bool IsUrgent { get; set; }

    public int Failures { get; set; }

    public DateTimeOffset Since { get; set; }

    public DateTimeOffset Due { get; set; }

    public DateTimeOffset? AddedAgain { get; set; }
}
