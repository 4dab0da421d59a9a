namespace Kuik.Contracts;

// Stream pod/{uid}: who uses what. Pods have streams of their own, so that an image that ten thousand pods use does not record each of them.

/// <summary>A managed pod exists and uses these images. Recorded again, whole, when its images change. Written by pod-watcher.</summary>
/// <param name="PodUid">The pod's uid; the stream is <c>pod/{uid}</c>.</param>
/// <param name="Namespace">The pod's namespace.</param>
/// <param name="Name">The pod's name.</param>
/// <param name="Images">One entry for each container, init container, ephemeral container and image volume whose image Kuik
/// rewrote.</param>
/// <param name="PullSecrets">Names of secrets in the pod's namespace that may open its registries: the pod's own, then its ServiceAccount's.</param>
/// <param name="ObservedAt">UTC.</param>
public sealed record PodObserved(string PodUid, string Namespace, string Name, IReadOnlyList<PodImage> Images, IReadOnlyList<string> PullSecrets, DateTimeOffset ObservedAt);

/// <summary>The image of one container or image volume.</summary>
/// <param name="Container">The container's name; of an image volume <c>volume NAME</c> (a container's name has no space).</param>
/// <param name="Image">The normalised reference.</param>
/// <param name="WrittenAs">The reference as the pod's author wrote it.</param>
public sealed record PodImage(string Container, string Image, string WrittenAs);

/// <summary>The pod is no longer there. Written by pod-watcher.</summary>
/// <param name="PodUid">The pod's uid.</param>
/// <param name="Namespace">The pod's namespace.</param>
/// <param name="Name">The pod's name.</param>
/// <param name="Images">The normalised references it used until now, each once.</param>
/// <param name="GoneAt">UTC: when its absence was noticed.</param>
public sealed record PodGone(string PodUid, string Namespace, string Name, IReadOnlyList<string> Images, DateTimeOffset GoneAt);
