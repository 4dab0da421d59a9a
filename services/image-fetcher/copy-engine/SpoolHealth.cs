using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The health check of the spool. Degraded while it is full: pulls continue at the pace of each blob's slowest reader.</summary>
internal sealed class SpoolHealth(Engine engine) : IHealthCheck
{
    /// <summary>A spool is full now and then; only a longer time is reported.</summary>
    private static readonly TimeSpan FullFor = TimeSpan.FromMinutes(1);

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var use = engine.Spool.Use;
        return Task.FromResult(
            engine.Owners.IsDraining ? HealthCheckResult.Unhealthy("the process is ending")
            : use.FullFor > FullFor ? HealthCheckResult.Degraded(
                $"full for {use.FullFor.Value.TotalMinutes:0} min: {use.Used} of {use.Limit} bytes in {use.Blobs} blobs; "
                + "raise Kuik:Fetch:SpoolLimit, or look for a full disk or a slow cache registry")
            : HealthCheckResult.Healthy());
    }
}
