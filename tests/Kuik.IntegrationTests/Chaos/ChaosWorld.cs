using System.Globalization;
using Kuik.Contracts;
using Kuik.Testing;

namespace Kuik.IntegrationTests.Chaos;

/// <summary>
/// The control plane with its replicas (two pod-watchers, three image-fetchers, two expiries) on a Postgres, a RabbitMQ, a cache registry,
/// an origin and a scripted Kubernetes API of its own.
/// </summary>
internal sealed class ChaosWorld : IAsyncDisposable
{
    private const int Images = 16;

    private ChaosWorld(ScriptedCluster cluster, Postgres postgres, RabbitMq rabbitMq, ScriptedOrigin origin, Registry cache) =>
        (Cluster, Postgres, RabbitMq, Origin, Cache) = (cluster, postgres, rabbitMq, origin, cache);

    public ScriptedCluster Cluster { get; }

    public ScriptedKubernetes Kubernetes => Cluster.Kubernetes;

    public Postgres Postgres { get; }

    public RabbitMq RabbitMq { get; }

    public ScriptedOrigin Origin { get; }

    public Registry Cache { get; }

    public IReadOnlyList<ChaosReplica> Replicas { get; private set; } = [];

    /// <summary>The images that pods may use.</summary>
    public IReadOnlyList<string> ImageNames { get; private set; } = [];

    public static async Task<ChaosWorld> Start()
    {
        var (postgres, rabbitMq, origin) = (Postgres.StartOwn(), RabbitMq.StartOwn(), await ScriptedOrigin.Start());
        var cluster = await ScriptedCluster.Start(await postgres, await rabbitMq);
        var world = new ChaosWorld(cluster, await postgres, await rabbitMq, origin,
            await Registry.Start(new RegistryOptions { Name = "cache" }))
        {
            ImageNames = [.. Enumerable.Range(0, Images)
                .Select(i => origin.Add($"team/app-{i % 5}", $"v{i}", TestImage.Small(seed: 9000 + i)))],
        };
        await world.StartReplicas();
        return world;
    }

    /// <summary>The path of an image's CachedImage.</summary>
    public static string ResourceOf(string image) =>
        $"apis/{Names.Group}/{Names.Version}/cachedimages/{ObjectName.Of(ImageReference.Parse(image))}";

    /// <summary>How many live pods use each image that any of them uses.</summary>
    public IReadOnlyDictionary<string, int> UsedImages() =>
        Kubernetes.Pods.SelectMany(pod => pod.Pod.Images.Distinct()).GroupBy(image => image)
            .ToDictionary(users => users.Key, users => users.Count());

    public async ValueTask DisposeAsync()
    {
        await Cluster.DisposeAsync();
        await Origin.DisposeAsync();
        await Postgres.Stop();
        await RabbitMq.Stop();
        await Cache.Stop();
    }

    private async Task StartReplicas()
    {
        var ports = Enumerable.Range(0, 3).Select(_ => FreePort.Next()).ToList();
        (string, string?)[] common =
        [
            ("Kuik:ExpiryDelay", "00:00:04"), ("Kuik:RequestLease", "00:00:05"), ("Kuik:Fetch:Lease", "00:00:05"),
                ("Kuik:Fetch:DrainLimit", "00:00:05"),
            ("Kuik:Cache:Endpoint", Cache.Endpoint.ToString()), ("Kuik:InsecureRegistries:0", $"http://{Origin.Host}"),
            .. ports.Select((port, i) => ($"Kuik:Fetcher:Peers:{i}", (string?)Text($"http://127.0.0.1:{port}"))),
        ];
        var starts = new List<Task<ChaosReplica>> { One("PodWatcher", 0), One("PodWatcher", 1), One("Expiry", 0), One("Expiry", 1) };
        starts.AddRange(ports.Select((port, i) => One("ImageFetcher", i, ("ASPNETCORE_URLS", Text($"http://127.0.0.1:{port}")))));
        Replicas = await Task.WhenAll(starts);

        async Task<ChaosReplica> One(string project, int index, params (string, string?)[] more) =>
            new(Text($"{project}-{index}"), await Cluster.StartService(project, null, [.. common, .. more]));
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
