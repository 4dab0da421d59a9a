namespace Kuik.Kubernetes;

/// <summary>The beginning of a watch line.</summary>
public sealed record WatchLineType(string Type);
