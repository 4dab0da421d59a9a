using System.Net;
using Kuik.Hosting;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Kuik.ImageFetcher;

/// <summary>
/// The health check of the cache registry. Degraded while it does not answer: pulls are still served by this service, and
/// copies are retried.
/// </summary>
internal sealed class CacheHealth(IConfiguration configuration, IHttpClientFactory http) : IHealthCheck
{
    /// <summary>The name of its HTTP client.</summary>
    public const string Client = "cache-health";

    private readonly Uri _cache = configuration.ReadEndpoint("Kuik:Cache:Endpoint", "http://localhost:5000")!;

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            using var client = http.CreateClient(Client);
            using var answer = await client.GetAsync(new Uri(_cache, "/v2/"), HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            return answer.IsSuccessStatusCode || answer.StatusCode == HttpStatusCode.Unauthorized
                ? HealthCheckResult.Healthy()
                : HealthCheckResult.Degraded($"the cache registry at {_cache} answers {(int)answer.StatusCode}");
        }
        catch (Exception error)
            when (error is HttpRequestException || (error is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return HealthCheckResult.Degraded($"the cache registry at {_cache} does not answer: {error.GetBaseException().Message}");
        }
    }
}
