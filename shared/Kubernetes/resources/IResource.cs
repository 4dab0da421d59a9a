namespace Kuik.Kubernetes;

/// <summary>The fields that a <see cref="Reflector{TResource,TState}"/> needs of any object.</summary>
public interface IResource
{
    /// <summary>Opaque; the position at which a watch continues.</summary>
    string? ResourceVersion { get; }
}
