using Kuik.Kubernetes;

namespace Kuik.CommandLine.Doctor;

internal sealed record ConfigMap(ObjectMeta Metadata, IReadOnlyDictionary<string, string>? Data = null);
