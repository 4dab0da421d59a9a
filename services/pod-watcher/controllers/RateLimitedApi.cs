using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>
/// Writes to the Kubernetes API with a rate limit, counted by kind and result. Throws the exceptions of <see cref="KubernetesApi"/>.
/// </summary>
/// <param name="api">The API.</param>
/// <param name="pace">The rate limiter, shared by all writers.</param>
/// <param name="metrics">Counts writes.</param>
internal sealed class RateLimitedApi(KubernetesApi api, TokenBucket pace, WatcherMetrics metrics)
{
    /// <inheritdoc cref="KubernetesApi.Apply"/>
    public Task<T> Apply<T>(string path, T body, string fieldManager, JsonTypeInfo<T> type, CancellationToken ct) =>
        Count(typeof(T).Name, () => api.Apply(path, body, fieldManager, type, ct), ct);

    /// <inheritdoc cref="KubernetesApi.Create"/>
    public Task<T> Create<T>(string path, T body, JsonTypeInfo<T> type, CancellationToken ct) =>
        Count(typeof(T).Name, () => api.Create(path, body, type, ct), ct);

    /// <inheritdoc cref="KubernetesApi.Merge{T}(string, T, JsonTypeInfo{T}, CancellationToken)"/>
    public Task<T> Merge<T>(string path, T body, JsonTypeInfo<T> type, CancellationToken ct) =>
        Count(typeof(T).Name, () => api.Merge(path, body, type, ct), ct);

    /// <inheritdoc cref="KubernetesApi.Merge{T}(string, JsonObject, JsonTypeInfo{T}, CancellationToken)"/>
    public Task<T> Merge<T>(string path, JsonObject patch, JsonTypeInfo<T> type, CancellationToken ct) =>
        Count(typeof(T).Name, () => api.Merge(path, patch, type, ct), ct);

    /// <inheritdoc cref="KubernetesApi.Delete"/>
    public Task<bool> Delete<T>(string path, string uid, CancellationToken ct) =>
        Count(typeof(T).Name, () => api.Delete(path, uid, ct), ct);

    private async Task<T> Count<T>(string kind, Func<Task<T>> call, CancellationToken ct)
    {
        await pace.Take(ct);
        try
        {
            var answer = await call();
            metrics.CountWrite(kind, "ok");
            return answer;
        }
        catch (Exception fault) when (!ct.IsCancellationRequested)
        {
            metrics.CountWrite(kind, Failure.From(fault).Kind);
            throw;
        }
    }
}
