using Kuik.Contracts;

namespace Kuik.Oci;

/// <summary>A repository on a registry.</summary>
/// <param name="Host">As references name it: <c>docker.io</c>, <c>registry.example.com:5000</c>.</param>
/// <param name="Name">The path below the host: <c>library/nginx</c>.</param>
public readonly record struct RegistryRepository(string Host, string Name)
{
    /// <summary>The origin's repository of an image.</summary>
    public static RegistryRepository From(ImageReference image) => new(image.Host, image.Repository);

    public override string ToString() => $"{Host}/{Name}";
}
