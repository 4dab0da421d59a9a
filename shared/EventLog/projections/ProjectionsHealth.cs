using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Kuik.EventLog;

/// <summary>
/// The health check of projections. Unhealthy, with the event's name, when an event cannot be read or applied, or when a
/// shard makes no progress without a failure. Degraded while an external cause stops a shard, for example the broker. A
/// replica that does not lead is healthy.
/// </summary>
internal sealed class ProjectionsHealth(ProjectionDaemon projections, TimeProvider time) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(Judge(projections.Progress, time.GetUtcNow()));

    internal static HealthCheckResult Judge(IReadOnlyList<ShardProgress> shards, DateTimeOffset now)
    {
        var problems = shards.Select(shard => ProblemOf(shard, now)).Where(problem => problem.Status != HealthStatus.Healthy).ToList();
        return problems.Count == 0
            ? HealthCheckResult.Healthy(string.Join("; ", shards.Select(shard => $"{shard.Shard} at {shard.Position} of {shard.Last}")))
            : new HealthCheckResult(problems.Min(problem => problem.Status), string.Join("; ", problems.Select(problem => problem.Text)));
    }

    private static (HealthStatus Status, string Text) ProblemOf(ShardProgress shard, DateTimeOffset now) => shard switch
    {
        { Failure: { Event: { } fact } failure } => (HealthStatus.Unhealthy, $"{shard.Shard} cannot get past {fact}: {failure.Message}"),
        { Failure: { } failure } =>
            (HealthStatus.Degraded, $"{shard.Shard} stopped at event {shard.Position} of {shard.Last}: {failure.Message}"),
        _ when shard.StandsStill(now) is { } since =>
            (HealthStatus.Unhealthy, $"{shard.Shard} has made no progress at event {shard.Position} of {shard.Last} since {since:O}"),
        _ => (HealthStatus.Healthy, ""),
    };
}
