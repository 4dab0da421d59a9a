using Kuik.Kubernetes;

namespace Kuik.CommandLine.Doctor;

internal sealed record Namespace(ObjectMeta Metadata);
