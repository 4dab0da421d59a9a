using System.Text.Json.Nodes;
using Kuik.Testing;
using Xunit;

namespace Kuik.ClusterTests;

/// <summary>
/// A cluster with pods that run (<c>make test-cluster</c> starts it), as its user sees it: kubectl, and registries that pods reach. Only
/// what makes a node lose an image needs containerd.
/// </summary>
public sealed class Cluster : IAsyncLifetime
{
    private readonly string nodeAddress = Environment.GetEnvironmentVariable("KUIK_NODE_ADDRESS")
        ?? throw new InvalidOperationException("there is no node: run these tests with make test-cluster");
    private int seeds;

    public KubernetesApi Kubernetes { get; private set; } = null!;

    public Installation Kuik { get; private set; } = null!;

    /// <summary>A public registry. A test may stop it, and starts it again. The overlay names its address.</summary>
    public Registry Origin { get; private set; } = null!;

    /// <summary>One that wants credentials: robot, secret.</summary>
    public Registry PrivateOrigin { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Origin = await Registry.Start(new RegistryOptions { Name = "origin", Address = nodeAddress, Port = 5000 });
        PrivateOrigin = await Registry.Start(new RegistryOptions
        {
            Name = "private-origin",
            Address = nodeAddress,
            Port = 5001,
            Credentials = ("robot", "secret"),
        });
        Kubernetes = await KubernetesApi.Shared();
        Kuik = new Installation(Kubernetes);
        await Kuik.Ready();
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;   // the node ends with this process

    /// <summary>Content that no other test has.</summary>
    public int Seed() => Interlocked.Increment(ref seeds);

    /// <summary>A new namespace in which pods can be made.</summary>
    public async Task<string> NewNamespace()
    {
        var space = await Kubernetes.NewNamespace();
        await Eventually.True(
            async () => (await Kubernetes.TryKubectl(["-n", space, "get", "serviceaccount", "default"])).ExitCode == 0,
            $"{space} has a default ServiceAccount");
        return space;
    }

    /// <summary>Starts a pod that sleeps, and waits until it runs.</summary>
    /// <param name="space">Its namespace.</param>
    /// <param name="name">Its name.</param>
    /// <param name="image">As a user writes it; it must have <c>/bin/sleep</c>.</param>
    /// <param name="pullSecret">The name of a Secret in the namespace; null for none.</param>
    /// <returns>The pod, with what Kubernetes added.</returns>
    /// <exception cref="TimeoutException">It does not run within three minutes; the message holds its events.</exception>
    public async Task<JsonNode> Run(string space, string name, string image, string? pullSecret = null)
    {
        await Kubernetes.Apply($$"""
            apiVersion: v1
            kind: Pod
            metadata: {name: {{name}}, namespace: {{space}}}
            spec:
              terminationGracePeriodSeconds: 0
              imagePullSecrets: [{{(pullSecret is null ? "" : $"{{name: {pullSecret}}}")}}]
              containers: [{name: main, image: "{{image}}", command: [/bin/sleep, "100000"]}]
            """);
        var result = await Kubernetes.TryKubectl(["-n", space, "wait", "--for=condition=Ready", $"pod/{name}", "--timeout=180s"]);
        if (result.ExitCode != 0)
        {
            var pod = await Kubernetes.Kubectl("-n", space, "describe", "pod", name);
            throw new TimeoutException($"pod {name} does not run: {pod}\n{await Kuik.Describe()}");
        }
        return await Get("-n", space, "pod", name);
    }

    /// <summary>An object as JSON.</summary>
    public async Task<JsonNode> Get(params string[] arguments) =>
        JsonNode.Parse(await Kubernetes.Kubectl(["get", "-o", "json", .. arguments]))!;

    /// <summary>Waits until a CachedImage says that the image is in the cache.</summary>
    /// <param name="image">As a user writes it.</param>
    /// <returns>The CachedImage.</returns>
    public async Task<JsonNode> WaitUntilCached(string image)
    {
        JsonNode? found = null;
        try
        {
            await Eventually.True(
                async () =>
                {
                    var all = (await Get("cachedimages"))["items"]!.AsArray();
                    found = all.FirstOrDefault(cached =>
                        (string?)cached!["spec"]!["sourceImage"] == image && (bool?)cached["status"]?["isCached"] == true);
                    return found is not null;
                },
                $"{image} is cached", TimeSpan.FromMinutes(4));
        }
        catch (TimeoutException late)
        {
            throw new TimeoutException($"{late.Message}; {await Kubernetes.Kubectl("get", "cachedimages", "-o", "wide")}", late);
        }
        return found!;
    }

    /// <summary>Runs work while a registry is down.</summary>
    public static async Task Without(Registry registry, Func<Task> then)
    {
        await registry.Stop();
        try
        {
            await then();
        }
        finally
        {
            await registry.Restart();
        }
    }

    /// <summary>
    /// Runs work while the cluster's DNS refuses every query, as kube-proxy refuses connections to a Service without pods.
    /// </summary>
    public static async Task WithoutDns(Func<Task> then)
    {
        await ChangeDnsRules("-I");
        try
        {
            await then();
        }
        finally
        {
            await ChangeDnsRules("-D");
        }
    }

    private static async Task ChangeDnsRules(string change)
    {
        foreach (var protocol in (string[])["udp", "tcp"])
            await RunTool.Run("iptables", [change, "INPUT", "-p", protocol, "--dport", "53", "-j", "REJECT"]);
    }

    /// <summary>Removes an image from the node, as the kubelet's own garbage collection does: the next pod pulls all of it again.</summary>
    /// <param name="repository">A part of its name.</param>
    public static async Task RemoveFromNode(string repository)
    {
        // containerd has a name for the tag, one for the digest and one for the config; as long as one is left, so are the blobs.
        var images = (await RunTool.Run("ctr", ["-n", "k8s.io", "images", "list"])).Split('\n').Skip(1)
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Where(columns => columns.Length > 2)
            .Select(columns => (Name: columns[0], Digest: columns[2])).ToList();
        var digests = images.Where(image => image.Name.Contains(repository, StringComparison.Ordinal))
            .Select(image => image.Digest).ToHashSet();
        Assert.NotEmpty(digests);
        var names = images.Where(image => digests.Contains(image.Digest)).Select(image => image.Name);
        await RunTool.Run("ctr", ["-n", "k8s.io", "images", "remove", "--sync", .. names]);
    }
}
