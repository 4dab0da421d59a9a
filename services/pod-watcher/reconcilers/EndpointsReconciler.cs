using System.Net;
using System.Text.Json.Serialization;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>A Service, only its address.</summary>
internal sealed record Service(ServiceSpec? Spec);

/// <param name="ClusterIP">An address; <c>None</c> of a headless Service; null or empty while it has none.</param>
/// <param name="Ports">Only the first one is used.</param>
internal sealed record ServiceSpec(string? ClusterIP, IReadOnlyList<ServicePort>? Ports);

/// <param name="Name">Null if it is the only one; <c>https</c> for TLS.</param>
/// <param name="Port">1 to 65535.</param>
internal sealed record ServicePort(string? Name, int Port);

/// <summary>A ConfigMap for server-side apply.</summary>
internal sealed record ConfigMap(string ApiVersion, string Kind, ObjectMeta Metadata, IReadOnlyDictionary<string, string>? Data);

/// <summary>
/// Reconciles the ConfigMap <c>kuik-node-proxy-endpoints</c> with the current addresses of the Services of the cache and of
/// image-fetcher: node-proxy has no cluster DNS, and its environment keeps the addresses of its start
/// (docs/decisions/0008-node-proxy-addresses.md). Every replica does it, leading or not, with Postgres or without: all write the same,
/// and only on a change. If a Service does not exist, its last address is kept.
/// </summary>
internal sealed partial class EndpointsReconciler(KubernetesApi api, WatcherOptions options, TimeProvider time,
    ILogger<EndpointsReconciler> logger) : BackgroundService
{
    /// <summary>The ConfigMap, in Kuik's namespace.</summary>
    public const string Name = "kuik-node-proxy-endpoints";

    /// <summary>The ConfigMap's key: a file of that name for node-proxy.</summary>
    public const string Key = "endpoints";

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(15);

    private static readonly (string Key, string Service)[] Services = [("cache", "kuik-registry-read"), ("fetcher", "kuik-image-fetcher")];

    private string? _problem;

    /// <summary>Compares once, and writes differences.</summary>
    /// <exception cref="KubernetesApiException">The API refused.</exception>
    /// <exception cref="HttpRequestException">The API is unreachable.</exception>
    public async Task Reconcile(CancellationToken ct)
    {
        var lines = new List<string>();
        foreach (var (key, service) in Services)
            if (AddressOf(await api.TryGet(PathOf($"services/{service}"), EndpointsJson.Default.Service, ct)) is { } address)
                lines.Add($"{key}={address}\n");
        var wanted = string.Concat(lines);
        if (lines.Count == 0
            || (await api.TryGet(PathOf($"configmaps/{Name}"), EndpointsJson.Default.ConfigMap, ct))
                ?.Data?.GetValueOrDefault(Key) == wanted)
            return;
        var map = new ConfigMap("v1", "ConfigMap", new ObjectMeta { Name = Name, Namespace = options.Namespace },
            new Dictionary<string, string> { [Key] = wanted });
        await api.Apply(PathOf($"configmaps/{Name}"), map, "kuik-pod-watcher", EndpointsJson.Default.ConfigMap, ct);
        LogWritten(Name, string.Join(", ", lines.Select(line => line.TrimEnd())));
    }

    /// <summary>Scheme, cluster IP and first port; null where the Service has none.</summary>
    public static string? AddressOf(Service? service) =>
        service?.Spec is { ClusterIP: { } text, Ports: [var port, ..] } && IPAddress.TryParse(text, out var ip)
            ? $"{(port.Name == "https" ? "https" : "http")}://{new IPEndPoint(ip, port.Port)}"
            : null;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        do
            await TryReconcile(stoppingToken);
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private async Task TryReconcile(CancellationToken ct)
    {
        try
        {
            await Reconcile(ct);
            _problem = null;
        }
        catch (Exception failure) when (KubernetesFault.IsOfApi(failure, ct))
        {
            if (_problem != failure.Message)
                LogFailed(Name, failure.Message);
            _problem = failure.Message;   // node-proxy keeps its addresses; the next pass retries
        }
    }

    private string PathOf(string path) => $"api/v1/namespaces/{options.Namespace}/{path}";

    [LoggerMessage(LogLevel.Information, "wrote ConfigMap {Name}: {Endpoints}")]
    private partial void LogWritten(string name, string endpoints);

    [LoggerMessage(LogLevel.Warning, "ConfigMap {Name} is not up to date, next attempt in 15 s: {Reason}")]
    private partial void LogFailed(string name, string reason);
}

/// <summary>The JSON serialisation of these objects.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Service))]
[JsonSerializable(typeof(ConfigMap))]
internal sealed partial class EndpointsJson : JsonSerializerContext;
