using Kuik.Kubernetes;

namespace Kuik.PodWatcher.Setup;

/// <summary>A PersistentVolumeClaim, only its metadata.</summary>
internal sealed record VolumeClaim(ObjectMeta Metadata);
