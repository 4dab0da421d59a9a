using Kuik.Kubernetes;

namespace Kuik.CommandLine.Doctor;

/// <summary>Reads the health and the metrics of Kuik's services through the API server's proxy, the path of its webhook calls.</summary>
/// <param name="api">The cluster.</param>
/// <param name="space">Kuik's namespace.</param>
internal sealed class ServiceReader(KubernetesApi api, string space)
{
    private const int Limit = 4 << 20;

    // node-proxy listens on its node's loopback only, where the kubelet probes it.
    private static readonly Dictionary<string, (string Scheme, int Port)> Listeners = new()
    {
        ["webhook"] = ("https", 9443),
        ["pod-watcher"] = ("http", 8080),
        ["image-fetcher"] = ("http", 8080),
        ["expiry"] = ("http", 8080),
    };

    /// <summary>True for a running pod of a service that listens on its own address.</summary>
    public static bool CanAnswer(Pod pod) => Listeners.ContainsKey(pod.Component) && pod.Status?.Phase == "Running" && !pod.IsOver;

    /// <summary>Reads one pod.</summary>
    public async Task<ServiceAnswers> Read(Pod pod, CancellationToken ct)
    {
        var name = pod.Metadata.Name!;
        var (scheme, port) = Listeners[pod.Component];
        var proxy = $"api/v1/namespaces/{space}/pods/{scheme}:{name}:{port}/proxy";
        var readiness = await ClusterReader.Try(() => Readiness($"{proxy}/readyz", ct), ct);
        var metrics = await ClusterReader.Try(async () => MetricSamples.Parse(await api.GetText($"{proxy}/metrics", Limit, ct)), ct);
        return new ServiceAnswers(name, pod.Component, readiness, metrics);
    }

    // A service that is not ready answers 503 with the causes; the API server's own 503 means that it did not reach the pod.
    private async Task<string> Readiness(string path, CancellationToken ct)
    {
        try
        {
            return await api.GetText(path, Limit, ct);
        }
        catch (KubernetesApiException refusal) when (refusal.Text?.StartsWith("Unhealthy", StringComparison.Ordinal) == true)
        {
            return refusal.Text;
        }
    }
}
