using Kuik.Contracts;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.PodWatcher;

/// <summary>A scripted cluster in which workloads count as users of images, and pod-watcher and expiry with a delay of a second.</summary>
internal sealed class WorkloadCluster : IAsyncDisposable
{
    private static readonly (string, string?)[] AtOnce = [("Kuik:ExpiryDelay", "00:00:01"), ("Kuik:RequestLease", "00:00:05")];

    private WorkloadCluster(ScriptedCluster cluster) => Log = cluster;

    public ScriptedCluster Log { get; }

    public ScriptedKubernetes Kubernetes => Log.Kubernetes;

    public static async Task<WorkloadCluster> Start() => new(await ScriptedCluster.Start());

    /// <summary>Starts pod-watcher.</summary>
    /// <param name="workloads">The setting.</param>
    /// <param name="waitFor">See <see cref="KuikServiceOptions.WaitFor"/>.</param>
    public Task<KuikService> StartWatcher(string workloads = "all", string waitFor = "readyz") =>
        Log.StartService("PodWatcher", waitFor, [.. AtOnce, ("Kuik:FollowedWorkloads", workloads)]);

    /// <summary>Starts expiry.</summary>
    public Task<KuikService> StartExpiry() => Log.StartService("Expiry", "readyz", AtOnce);

    /// <summary>Makes a workload in the namespace apps, or changes its image.</summary>
    public void Apply(string kind, string name, string image)
    {
        Kubernetes.AddNamespace("apps");
        var template = $$"""{"spec":{"containers":[{"name":"c","image":"{{image}}"}] } }""";
        Kubernetes.Apply(PathOf(kind, name), kind == "CronJob"
            ? $$"""{"spec":{"jobTemplate":{"spec":{"template":{{template}} } } } }"""
            : $$"""{"spec":{"replicas":0,"template":{{template}} } }""");
    }

    public void Delete(string kind, string name) => Kubernetes.Delete(PathOf(kind, name));

    /// <summary>Pods use these images, are recorded, and are gone.</summary>
    public async Task Used(params string[] images)
    {
        Kubernetes.AddPod("apps", "once", images);
        await Log.UsageIsRight();
        Kubernetes.RemovePod("apps", "once");
        await Log.UsageIsRight();
    }

    /// <summary>Waits until the usage table has exactly these rows of workloads, as <c>Kind/name image</c>, sorted.</summary>
    public async Task Uses(params string[] rows)
    {
        var there = "";
        try
        {
            await Eventually.True(
                async () => (there = await Log.Execute("""
                    select string_agg(split_part(pod_uid, '/', 1) || '/' || pod_name || ' ' || split_part(image, '/', 3), ', '
                        order by split_part(pod_uid, '/', 1), pod_name, image)
                    from kuik.image_users where pod_uid like '%/%'
                    """) ?? "") == string.Join(", ", rows),
                "the usage table has the workloads");
        }
        catch (TimeoutException late)
        {
            throw new TimeoutException($"{late.Message}; it has {there}", late);
        }
    }

    /// <summary>Waits until an image has expired.</summary>
    public Task Expired(string image) => Eventually.True(async () => await Count("ImageExpired", image) == 1, $"{image} expires");

    /// <summary>How many events of a type an image's stream has.</summary>
    public Task<int> Count(string type, string image) => Log.Count(type, StreamName.OfImage(ImageReference.Parse(image).ToString()));

    /// <summary>None of these has expired. Call it when another image, unused for as long, has.</summary>
    public async Task Kept(params string[] images)
    {
        foreach (var image in images)
            Assert.True(await Count("ImageExpired", image) == 0, $"{image} has expired");
    }

    public ValueTask DisposeAsync() => Log.DisposeAsync();

    private static string PathOf(string kind, string name) =>
        $"apis/{(kind is "Job" or "CronJob" ? "batch" : "apps")}/v1/namespaces/apps/{kind.ToLowerInvariant()}s/{name}";
}
