using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>The fields of a namespace that this service reads.</summary>
internal sealed record Namespace
{
    public required ObjectMeta Metadata { get; init; }
}
