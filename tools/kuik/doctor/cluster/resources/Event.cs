using Kuik.Kubernetes;

namespace Kuik.CommandLine.Doctor;

internal sealed record Event(
    ObjectMeta Metadata, ObjectReference? InvolvedObject = null, string? Reason = null, string? Message = null,
    DateTimeOffset? LastTimestamp = null, DateTimeOffset? EventTime = null)
{
    /// <summary>When it was last seen; null when the event does not say.</summary>
    public DateTimeOffset? At => LastTimestamp ?? EventTime;
}

internal sealed record ObjectReference(string? Kind = null, string? Namespace = null, string? Name = null);
