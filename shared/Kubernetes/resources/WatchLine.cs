namespace Kuik.Kubernetes;

/// <summary>One line of a watch. Its type (ADDED, MODIFIED, DELETED, BOOKMARK, ERROR) has been read before.</summary>
public sealed record WatchLine<TResource>(TResource Object);
