using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Kuik.PodWatcher;

/// <summary>The health check of leadership. Ready when this replica leads and has listed everything, or when another one leads.</summary>
internal sealed class WatcherHealth(LeaderElectionService lead, ControllerManager cluster, ClusterObservation observation) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var problem = lead.IsLeading ? cluster.Problem : lead.Problem;
        var observed = !lead.IsLeading
            ? ""
            : observation.Age is { } age
            ? $", last complete observation {(int)age.TotalSeconds} s ago"
            : ", no complete observation yet";
        return Task.FromResult(problem is null && (lead.IsLeading || lead.Leader is not null)
            ? HealthCheckResult.Healthy(lead.IsLeading ? "leads" + observed : $"stands by for {lead.Leader}")
            : HealthCheckResult.Unhealthy((problem ?? "no replica leads yet") + observed));
    }
}
