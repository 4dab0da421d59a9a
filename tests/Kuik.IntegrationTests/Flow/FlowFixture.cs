using System.Text.Json.Nodes;
using Kuik.Contracts;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Flow;

/// <summary>All tests of the whole flow share one Kuik; each has images and pods of its own.</summary>
[CollectionDefinition(nameof(FlowCollection))]
public sealed class FlowCollection : ICollectionFixture<FlowFixture>;

/// <summary>A whole Kuik on real servers, two image-fetchers, and an origin with a true access log.</summary>
public sealed class FlowFixture : IAsyncLifetime
{
    private int seeds = 1000;

    public WholeKuik Kuik { get; private set; } = null!;

    /// <summary>Where images come from. A test may stop it, and starts it again.</summary>
    public Registry Origin { get; private set; } = null!;

    /// <summary>nginx before the origin: images are named by it, and it says how many bytes each client took.</summary>
    public Front Front { get; private set; } = null!;

    /// <summary>Gets the spans of all services.</summary>
    public TraceCollector Traces { get; private set; } = null!;

    /// <summary>Where each service answers <c>/metrics</c>.</summary>
    public IEnumerable<(string Name, Uri Address)> Services =>
    [
        ("pod-watcher", Kuik.PodWatcher.Health), ("expiry", Kuik.Expiry.Health), ("node-proxy", Kuik.NodeProxy.Health),
        ("webhook", Kuik.Webhook.Health), .. Kuik.ImageFetchers.Select(fetcher => ("image-fetcher", fetcher.Health)),
    ];

    public async ValueTask InitializeAsync()
    {
        Traces = await TraceCollector.Start();
        Origin = await Registry.Start(new RegistryOptions { Name = "origin" });
        Front = await Front.Start(Origin);
        Kuik = await WholeKuik.Start(new WholeKuikOptions
        {
            ImageFetchers = 2,
            PlainHttpRegistries = [$"http://{Front.Host}"],
            Settings = new Dictionary<string, string?>(Traces.Settings)
            {
                ["Kuik:ExpiryDelay"] = "00:00:05",
                ["Kuik:SweepInterval"] = "00:00:01",
                ["Kuik:RequestLease"] = "00:00:10",
                ["Kuik:Proxy:PullReportInterval"] = "00:00:01",
            },
        });
    }

    public ValueTask DisposeAsync() => Traces.DisposeAsync();   // the sandbox ends with this process

    /// <summary>Content that no other test has.</summary>
    public int Seed() => Interlocked.Increment(ref seeds);

    /// <summary>An image of the origin's, by the name that pods give it.</summary>
    public async Task<string> PushIndex(string repository, string tag, TestIndex index)
    {
        await Origin.Push(repository, tag, index);
        return $"{Front.Host}/{repository}:{tag}";
    }

    /// <inheritdoc cref="PushIndex"/>
    public async Task<string> PushImage(string repository, string tag, TestImage image)
    {
        await Origin.Push(repository, tag, image);
        return $"{Front.Host}/{repository}:{tag}";
    }

    /// <summary>Where node-proxy serves an image.</summary>
    public string Local(string image) =>
        $"{Kuik.Proxy}/{image.Replace(Front.Host, Front.Host.Replace(':', '_'), StringComparison.Ordinal)}";

    /// <summary>Creates a pod and waits until its image is cached.</summary>
    /// <returns>The pod as the API has it.</returns>
    public async Task<JsonNode> CachedByPod(string space, string pod, string image)
    {
        await CreatePod(space, pod, image);
        await Eventually.True(async () => (bool?)(await CachedImage(image))?["status"]?["isCached"] == true, $"{image} is cached");
        return JsonNode.Parse(await Kuik.Kubernetes.Kubectl("get", "pod", pod, "-n", space, "-o", "json"))!;
    }

    public Task CreatePod(string space, string pod, string image) => Kuik.Kubernetes.Apply($$"""
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"{{pod}}","namespace":"{{space}}"},
         "spec":{"containers":[{"name":"main","image":"{{image}}","imagePullPolicy":"IfNotPresent"}]} }
        """);

    public Task DeletePod(string space, string pod) =>
        Kuik.Kubernetes.Kubectl("delete", "pod", pod, "-n", space, "--grace-period=0", "--force");

    /// <summary>An image's CachedImage; null when there is none.</summary>
    public async Task<JsonNode?> CachedImage(string image)
    {
        var found = await Kuik.Kubernetes.TryKubectl(
            ["get", "cachedimage", ObjectName.Of(ImageReference.Parse(image)), "-o", "json", "--ignore-not-found"]);
        return found.Output.Length == 0 ? null : JsonNode.Parse(found.Output);
    }

    /// <summary>The bytes of a manifest as node-proxy serves them to skopeo.</summary>
    public Task<byte[]> InspectThroughProxy(string image) => Skopeo.InspectRaw(Local(image));
}
