using Kuik.Kubernetes;

namespace Kuik.CommandLine.Doctor;

internal sealed record VolumeClaim(ObjectMeta Metadata, VolumeClaimSpec? Spec = null, VolumeClaimStatus? Status = null);

/// <param name="StorageClassName">Null: the default class; empty: none.</param>
internal sealed record VolumeClaimSpec(string? StorageClassName = null);

internal sealed record VolumeClaimStatus(string? Phase = null);
