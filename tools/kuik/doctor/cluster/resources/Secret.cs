using Kuik.Kubernetes;

namespace Kuik.CommandLine.Doctor;

internal sealed record Secret(ObjectMeta Metadata, IReadOnlyDictionary<string, string>? Data = null);
