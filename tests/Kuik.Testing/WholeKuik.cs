using System.Globalization;
using System.Text.Json;

namespace Kuik.Testing;

/// <summary>The options of a whole Kuik.</summary>
public sealed record WholeKuikOptions
{
    /// <summary>The sandbox of all processes; default the shared one. <c>make run</c> keeps its own.</summary>
    public Sandbox? Sandbox { get; init; }

    /// <summary>Called for each step that takes more than a second. Default: none.</summary>
    public Action<string> Progress { get; init; } = _ => { };

    /// <summary>node-proxy's port. Default: any free one.</summary>
    public int? ProxyPort { get; init; }

    /// <summary>Registries that are accessed over plain HTTP, as <c>http://host:port</c>.</summary>
    public IReadOnlyList<string> PlainHttpRegistries { get; init; } = [];

    /// <summary>How many image-fetchers. Default one.</summary>
    public int ImageFetchers { get; init; } = 1;

    /// <summary>Settings for every service, as in appsettings.json.</summary>
    public IReadOnlyDictionary<string, string?> Settings { get; init; } = new Dictionary<string, string?>();
}

/// <summary>
/// Everything of Kuik on this machine: Postgres, RabbitMQ, the cache registry with its two endpoints, a Kubernetes API with our resources
/// and the webhook registered in it, and the five services, each a process as it would run in a cluster.
/// </summary>
public sealed class WholeKuik
{
    /// <summary>The namespace that holds the Lease.</summary>
    public const string Namespace = "kuik-system";

    private WholeKuik(Postgres postgres, RabbitMq rabbitMq, KubernetesApi kubernetes, Registry cache, Registry cacheForReading) =>
        (Postgres, RabbitMq, Kubernetes, Cache, CacheForReading) = (postgres, rabbitMq, kubernetes, cache, cacheForReading);

    public Postgres Postgres { get; }

    public RabbitMq RabbitMq { get; }

    public KubernetesApi Kubernetes { get; }

    /// <summary>The cache registry as image-fetcher uses it.</summary>
    public Registry Cache { get; }

    /// <summary>The same data, read-only: what node-proxy uses.</summary>
    public Registry CacheForReading { get; }

    /// <summary>The connection string of the event log.</summary>
    public required string Database { get; init; }

    /// <summary>The address of the bus.</summary>
    public required string Bus { get; init; }

    public KuikService Webhook { get; private set; } = null!;

    public KuikService PodWatcher { get; private set; } = null!;

    public KuikService Expiry { get; private set; } = null!;

    public KuikService NodeProxy { get; private set; } = null!;

    public IReadOnlyList<KuikService> ImageFetchers { get; private set; } = [];

    /// <summary>The address from which this machine's pods would pull: <c>localhost:PORT</c>.</summary>
    public string Proxy => $"localhost:{NodeProxy.Port}";

    /// <summary>All services of the control plane.</summary>
    public IReadOnlyList<KuikService> ControlPlane => [PodWatcher, .. ImageFetchers, Expiry];

    /// <summary>Starts all of it; ready when it returns. Takes about 15 seconds.</summary>
    /// <exception cref="ServerFailedException">A part does not start; the message holds the last lines of its log.</exception>
    public static async Task<WholeKuik> Start(WholeKuikOptions options)
    {
        // 1. The servers that Kuik stands on, side by side.
        options.Progress("starting Postgres, RabbitMQ, the cache registry, etcd and kube-apiserver");
        var postgres = Told("Postgres", Postgres.StartOwn(options.Sandbox));
        var rabbitMq = Told("RabbitMQ", RabbitMq.StartOwn(options.Sandbox));
        var kubernetes = Told("Kubernetes API", KubernetesApi.StartOwn(options.Sandbox));
        var cache = await Registry.Start(new RegistryOptions { Name = "cache", Sandbox = options.Sandbox });
        var cacheForReading =
            await Registry.Start(new RegistryOptions { Name = "cache-for-reading", ReadOnlyOver = cache, Sandbox = options.Sandbox });
        await Task.WhenAll(postgres, rabbitMq, kubernetes);
        var kuik = new WholeKuik(await postgres, await rabbitMq, await kubernetes, cache, cacheForReading)
        {
            Database = await (await postgres).NewDatabase(),
            Bus = await (await rabbitMq).NewVirtualHost(),
        };

        // 2. What an administrator applies.
        options.Progress("applying the CachedImage and Repository resources (kubectl apply -k deploy/kustomize/base/crds)");
        await kuik.Kubernetes.NewNamespace(Namespace);
        await kuik.Kubernetes.Kubectl("apply", "-k", Path.Combine(Checkout.Root, "deploy/kustomize/base/crds"));

        // 3. The services.
        options.Progress("starting webhook, pod-watcher, image-fetcher, expiry, node-proxy");
        await kuik.StartServices(options);
        options.Progress("registering the webhook (kubectl apply -f deploy/kustomize/base/webhook/mutatingwebhookconfiguration.yaml)");
        await kuik.RegisterWebhook(options);
        return kuik;

        async Task<T> Told<T>(string what, Task<T> start)
        {
            var started = await start;
            options.Progress($"{what} is up");
            return started;
        }
    }

    private async Task StartServices(WholeKuikOptions options)
    {
        var fetcherPorts = Enumerable.Range(0, options.ImageFetchers).Select(_ => FreePort.Next()).ToList();
        var proxyPort = options.ProxyPort ?? FreePort.Next();
        var common = new Dictionary<string, string?>
        {
            ["Kuik:Proxy:Port"] = Text(proxyPort),
            ["ConnectionStrings:Postgres"] = Database,
            ["ConnectionStrings:RabbitMq"] = Bus,
            ["KUBECONFIG"] = Kubernetes.Kubeconfig,
            ["Kuik:Namespace"] = Namespace,
            ["Kuik:Cache:Endpoint"] = Cache.Endpoint.ToString(),
        };
        for (var i = 0; i < options.PlainHttpRegistries.Count; i++)
            common[$"Kuik:InsecureRegistries:{i}"] = options.PlainHttpRegistries[i];
        foreach (var (key, value) in options.Settings)
            common[key] = value;

        KuikServiceOptions With(int? port, params (string Key, string? Value)[] more)
        {
            var settings = new Dictionary<string, string?>(common);
            foreach (var (key, value) in more)
                settings[key] = value;
            return new KuikServiceOptions { Settings = settings, Port = port, Sandbox = options.Sandbox };
        }

        // The event log's tables first, as the init container of pod-watcher creates them.
        options.Progress("making the event log's tables (pod-watcher migrate)");
        await KuikService.Migrate(With(null));

        var peers = fetcherPorts.Select((port, i) => ($"Kuik:Fetcher:Peers:{i}", (string?)$"http://127.0.0.1:{port}")).ToArray();
        var fetchers = fetcherPorts.Select(port => KuikService.Start("ImageFetcher", With(port, peers.Length > 1 ? peers : []))).ToList();
        var podWatcher = KuikService.Start("PodWatcher", With(null));
        var expiry = KuikService.Start("Expiry", With(null));
        // The data plane gets only the settings that it may know.
        var nodeProxy = KuikService.Start("NodeProxy", With(
            proxyPort, ("Kuik:Cache:ReadEndpoint", CacheForReading.Endpoint.ToString()), ("Kuik:Cache:Endpoint", null),
            ("Kuik:Fetcher:Endpoint", $"http://127.0.0.1:{fetcherPorts[0]}"),
            ("ConnectionStrings:Postgres", null), ("ConnectionStrings:RabbitMq", null), ("KUBECONFIG", null)));
        await Task.WhenAll([nodeProxy, podWatcher, expiry, .. fetchers]);
        (NodeProxy, PodWatcher, Expiry) = (await nodeProxy, await podWatcher, await expiry);
        ImageFetchers = await Task.WhenAll(fetchers);
        await Task.WhenAll(ControlPlane.Select(TakesPart));
    }

    /// <summary>Waits until a service is ready, and its bus too: it is ready for its other work without the bus.</summary>
    private static async Task TakesPart(KuikService service)
    {
        using var http = new HttpClient { BaseAddress = service.Health };
        await Eventually.True(
            async () =>
            {
                using var answer = await http.GetAsync(new Uri("readyz", UriKind.Relative));
                return (await answer.Content.ReadAsStringAsync()).StartsWith("Healthy", StringComparison.Ordinal);
            },
            $"the service at {service.Health} has all that it needs");
    }

    private async Task RegisterWebhook(WholeKuikOptions options)
    {
        var authority = new CertificateAuthority("kuik-webhook");
        var folder = (options.Sandbox ?? Sandbox.Shared).NewFolder("webhook-certificate");
        var (certificate, key) = authority.Issue("CN=kuik-webhook", "127.0.0.1", "localhost").WriteTo(folder, "webhook");
        var (http, https) = (FreePort.Next(), FreePort.Next());
        Webhook = await KuikService.Start("Webhook", new KuikServiceOptions
        {
            Port = http,
            Sandbox = options.Sandbox,
            Settings = new Dictionary<string, string?>(options.Settings)
            {
                ["ASPNETCORE_URLS"] = $"http://127.0.0.1:{http};https://127.0.0.1:{https}",
                ["Kestrel:Certificates:Default:Path"] = certificate,
                ["Kestrel:Certificates:Default:KeyPath"] = key,
                ["Kuik:Proxy:Port"] = Text(NodeProxy.Port),
            },
        });

        // The configuration as it is deployed; only where the API server finds the webhook differs: here it is no Service, but an address.
        await Kubernetes.Kubectl("apply", "-f",
            Path.Combine(Checkout.Root, "deploy/kustomize/base/webhook/mutatingwebhookconfiguration.yaml"));
        var names = await Kubernetes.Kubectl("get", "mutatingwebhookconfigurations", "-o", "name");
        var where = JsonSerializer.Serialize(new
        {
            url = $"https://127.0.0.1:{https}/mutate-core-v1-pod",
            caBundle = Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(authority.Pem)),
        });
        await Kubernetes.Kubectl("patch", names.Trim(), "--type=json", "-p",
            $$"""[{"op":"replace","path":"/webhooks/0/clientConfig","value":{{where}}}]""");
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
