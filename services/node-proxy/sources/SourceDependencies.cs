namespace Kuik.NodeProxy;

/// <summary>The dependencies of every source inside the cluster.</summary>
/// <param name="Client">Follows nothing, remembers nothing, sends no credentials.</param>
/// <param name="CircuitBreaker">Keyed by scheme, host and port of the request: storage that a registry redirects to has its own.</param>
/// <param name="Time">The clock.</param>
/// <param name="Logger">Logs when a server stops and starts answering.</param>
internal sealed record SourceDependencies(HttpMessageInvoker Client, CircuitBreaker CircuitBreaker, TimeProvider Time,
    ILogger<SourceEndpoint> Logger);
