namespace Kuik.NodeProxy;

/// <summary>The addresses of the servers inside the cluster.</summary>
internal sealed record SourceAddresses(SourceAddress Cache, SourceAddress Fetcher);
