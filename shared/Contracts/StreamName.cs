namespace Kuik.Contracts;

/// <summary>The keys of the event store's streams.</summary>
public static class StreamName
{
    private const string Image = "image/";

    /// <summary><c>image/docker.io/library/nginx:1.27</c></summary>
    /// <param name="image">The normalised reference.</param>
    public static string OfImage(string image) => Image + image;

    /// <summary>The normalised reference of an image's stream.</summary>
    /// <param name="stream">From <see cref="OfImage"/>.</param>
    public static string ImageOf(string stream) => stream[Image.Length..];

    /// <summary><c>pod/0b2f…</c></summary>
    /// <param name="uid">The pod's uid.</param>
    public static string OfPod(string uid) => "pod/" + uid;

    /// <summary><c>workload/0b2f…</c></summary>
    /// <param name="uid">The workload's uid.</param>
    public static string OfWorkload(string uid) => "workload/" + uid;

    /// <summary><c>repository/docker.io/library/nginx</c></summary>
    /// <param name="repository">With its host.</param>
    public static string OfRepository(string repository) => "repository/" + repository;
}
