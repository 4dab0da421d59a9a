namespace Kuik.PodWatcher;

/// <summary>The cluster is not known to be the log's own, so that absent objects are no evidence.</summary>
internal sealed class ClusterCheckException(string message) : Exception(message);
