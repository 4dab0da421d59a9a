using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Kuik.ImageFetcher;

/// <summary>
/// The health check of pull secrets. Degraded while tags are pulled with the secrets of other images of their repositories.
/// </summary>
internal sealed class PullSecretsHealth(PullSecretCache known) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(known.OpensTags
            ? HealthCheckResult.Degraded("Postgres is unreachable and Kuik:Fetch:OpenTagsWithoutPostgres is true: "
                + "a tag is opened by the pull secrets of any pod that uses its repository")
            : HealthCheckResult.Healthy());
}
