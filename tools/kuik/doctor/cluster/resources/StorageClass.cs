using Kuik.Kubernetes;

namespace Kuik.CommandLine.Doctor;

internal sealed record StorageClass(ObjectMeta Metadata)
{
    /// <summary>True for the class of claims without a class.</summary>
    public bool IsDefault => Metadata.Annotations?.GetValueOrDefault("storageclass.kubernetes.io/is-default-class") == "true";
}
