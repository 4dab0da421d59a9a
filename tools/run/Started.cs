using Kuik.Contracts;
using Kuik.Testing;

namespace Kuik.Run;

/// <summary>A running Kuik and the image of the demonstration.</summary>
/// <param name="Kuik">All of its parts.</param>
/// <param name="Origin">A registry that holds images built here.</param>
/// <param name="Image">The image as a pod names it.</param>
/// <param name="IsOurs">False for an image of the internet, whose registry cannot be stopped from here.</param>
internal sealed record Started(WholeKuik Kuik, Registry Origin, string Image, bool IsOurs)
{
    /// <summary>The namespace of its pods.</summary>
    public const string Namespace = "demo";

    /// <summary>Short, to see an image expire.</summary>
    public const string ExpiryDelay = "00:02:00";

    /// <summary>The image's address at node-proxy.</summary>
    public string Local =>
        LocalReference.TryWrite(Image, Kuik.NodeProxy.Port, out var local, out var problem)
            ? local
            : throw new ServerFailedException($"{Image}: {problem}");
}
