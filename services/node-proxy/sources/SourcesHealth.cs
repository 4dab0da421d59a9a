using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Kuik.NodeProxy;

/// <summary>
/// The health check of sources: lists in <c>/readyz</c> those that are skipped. node-proxy stays ready: the
/// remaining sources can still serve.
/// </summary>
internal sealed class SourcesHealth(CircuitBreaker circuitBreaker) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var open = circuitBreaker.Open;
        return Task.FromResult(open.Count == 0
            ? HealthCheckResult.Healthy()
            : HealthCheckResult.Degraded("passed over: " + string.Join(", ", open.Take(10))
                + (open.Count > 10 ? $" and {open.Count - 10} more" : "")));
    }
}
