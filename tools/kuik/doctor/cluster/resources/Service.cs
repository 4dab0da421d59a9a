using Kuik.Kubernetes;

namespace Kuik.CommandLine.Doctor;

internal sealed record Service(ObjectMeta Metadata, ServiceSpec? Spec = null);

internal sealed record ServiceSpec(string? ClusterIP = null, IReadOnlyList<ServicePort>? Ports = null);

internal sealed record ServicePort(int Port);
