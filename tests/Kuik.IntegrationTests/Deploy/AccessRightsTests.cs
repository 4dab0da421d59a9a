using System.Net;
using System.Text;
using System.Text.Json;
using Kuik.Contracts;
using Kuik.IntegrationTests.Audit;
using Kuik.IntegrationTests.EventLog;
using Kuik.IntegrationTests.ImageFetcher;
using Kuik.IntegrationTests.PodWatcher;
using Kuik.IntegrationTests.Setup;
using Kuik.Testing;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Deploy;

/// <summary>
/// The Roles of deploy/kustomize against the audit log of a kube-apiserver: setup, pod-watcher, image-fetcher and expiry run as their
/// ServiceAccounts and make every kind of call that they have.
/// </summary>
[Collection(nameof(Cluster))]
public sealed class AccessRightsTests(Cluster cluster)
{
    private const string Image = "docker.io/library/nginx:1.27";
    private const string Resource = "docker.io-library-nginx-1.27";

    private static readonly string[] Services = ["kuik-registry-read", "kuik-image-fetcher"];

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_call_that_the_services_make_has_a_right_and_every_right_has_a_call()
    {
        await using var world = await SetupWorld.In(cluster);
        await using var watchers = await Watchers.In(cluster);
        var before = cluster.Api.CallsOfAccounts().Count;

        await SetUp(world);
        await FetchPrivateImage();
        await MakeWhatNodesAreTold();
        await WatchAnImageFromItsFirstPodToItsEviction(watchers);
        await WatchWorkloads(watchers);
        await DeleteServices();
        await AskForTheAudit();

        var rights = await GrantedRights.Read(cluster.Api);
        // Kubernetes 1.20 has them in v1beta1 only.
        if ((await cluster.Api.TryKubectl(["get", "--raw", "/apis/batch/v1/cronjobs"])).ExitCode != 0)
            rights = new GrantedRights([.. rights.Rights.Where(right => right.Resource != "cronjobs" || right.Verb == "list")]);
        IReadOnlyList<ApiCall> Calls() => [.. cluster.Api.CallsOfAccounts().Skip(before)];
        var complete = DateTimeOffset.UtcNow.AddSeconds(20);   // the last calls are in the log when it is over, or all are
        await Eventually.True(() => rights.Unused(Calls()).Count == 0 || DateTimeOffset.UtcNow > complete, "the audit log is complete");
        Assert.Empty(rights.Uncovered(Calls()));
        Assert.Empty(rights.Unused(Calls()));
    }

    /// <summary>The first setup, one that adds a key, and each renewal of certificates.</summary>
    private static async Task SetUp(SetupWorld world)
    {
        var now = DateTimeOffset.UtcNow;
        var time = new FakeTimeProvider(now.AddDays(-244));
        await world.ApplyWebhook();
        await world.CreateClaim();
        await world.Credentials().Reconcile(Stop);
        var database = Convert.ToBase64String(Encoding.UTF8.GetBytes(await (await Postgres.Shared()).NewDatabase()));
        await world.PatchSecret(
            $$"""[{"op":"remove","path":"/data/node-token"},{"op":"replace","path":"/data/postgres","value":"{{database}}"}]""");
        Assert.Equal(0, await world.Setup(time).Prepare(Stop));
        foreach (var renewal in (DateTimeOffset[])[now.AddDays(-30), now, now])
        {
            time.SetUtcNow(renewal);
            await world.Certificates(time).Reconcile(Stop);
        }
    }

    private async Task FetchPrivateImage()
    {
        await using var fetching = await FetcherWorld.Start(new RegistryOptions { Name = "origin", Credentials = ("robot", "secret") });
        var space = await cluster.Api.NewNamespace();
        var login = JsonSerializer.Serialize(
            new { auths = new Dictionary<string, object> { [fetching.Origin.Host] = new { username = "robot", password = "secret" } } });
        await cluster.Api.Kubectl(
            "create", "secret", "generic", "robot", "-n", space,
            "--type=kubernetes.io/dockerconfigjson", $"--from-literal=.dockerconfigjson={login}");
        await fetching.StartFetcher(("KUBECONFIG", cluster.FetcherKubeconfig));
        var image = await fetching.Origin.Push("team/app", "1", TestImage.Small(seed: 71));
        await fetching.AddPod(space, image, "robot");
        await fetching.Request(image);
        await fetching.Recorded<ImageCached>(image);
    }

    private async Task WatchAnImageFromItsFirstPodToItsEviction(Watchers watchers)
    {
        var watcher = await watchers.Start();
        await watchers.Pod("web", "nginx:1.27");
        await watchers.Shows(Resource, ".status.usedBy.count", "1");
        await FailTwice(watchers);
        // A pod without its label is looked for by its name, as one that is deleted is not.
        await cluster.Api.Kubectl("label", "pod", "-n", "apps", "web", "kuik.enix.io/managed-");
        await watchers.Shows(Resource, ".status.usedBy.count", "0");
        await watchers.Append(Image, new ImageUnused(Image, DateTimeOffset.UtcNow.AddDays(-60), DateTimeOffset.UtcNow.AddDays(-30)));
        await watchers.Shows(Resource, ".status.phase", "Terminating");
        await watchers.Append(Image, new ImageEvicted(Image, DateTimeOffset.UtcNow));
        await Eventually.True(async () => await NoResourceIsLeft(), "the image's CachedImage and Repository are gone");
        await Eventually.True(() => watcher.Log.Contains("wrote ConfigMap", StringComparison.Ordinal), "the addresses are written");
        await watcher.Stop();   // gives the Lease back
    }

    /// <summary>An Event is created with the first failure and changed with the second.</summary>
    private static async Task FailTwice(Watchers watchers)
    {
        for (var attempt = 1; attempt <= 2; attempt++)
        {
            var now = DateTimeOffset.UtcNow;
            await watchers.Append(Image, new ImageFetchStarted(Image, "fetcher", now.AddMinutes(2), now) { Attempt = attempt },
                new ImageFetchFailed(Image, "refused", $"refused {attempt}", false, now.AddHours(1), now) { Attempt = attempt });
            await watchers.Shows(Resource, ".status.lastError", $"refused {attempt}");
        }
    }

    /// <summary>One of each kind is followed, and looked for by its name when its deletion was seen.</summary>
    private async Task WatchWorkloads(Watchers watchers)
    {
        string[] kinds = ["deployment", "statefulset", "daemonset", "replicaset", "job"];
        foreach (var kind in kinds)
            await cluster.Api.Apply(WorkloadOf(kind));
        var watcher = await watchers.Start("healthz", ("Kuik:FollowedWorkloads", "all"));
        await Eventually.True(async () => await watchers.Count("WorkloadObserved") == kinds.Length, "each kind is observed");
        foreach (var kind in kinds)
            await cluster.Api.Kubectl("delete", kind, "-n", "apps", "it", "--cascade=background");
        await Eventually.True(async () => await watchers.Count("WorkloadGone") == kinds.Length, "each is gone");
        await watcher.Stop();
    }

    private async Task AskForTheAudit()
    {
        await using var api = await ServedAudit.Start(cluster, await MigratedDatabase.New());
        Assert.Equal(HttpStatusCode.OK, (await api.Ask("images", await api.NewReader())).Status);
    }

    private static string WorkloadOf(string kind)
    {
        const string Containers = """ "containers":[{"name":"c","image":"nginx:1.27"}] """;
        const string Spec = $$$"""
            {"selector":{"matchLabels":{"app":"it"}},"template":{"metadata":{"labels":{"app":"it"}},"spec":{ {{{Containers}}} } } }
            """;
        var (version, name, spec) = kind switch
        {
            "deployment" => ("apps/v1", "Deployment", Spec),
            "statefulset" => ("apps/v1", "StatefulSet",
                Spec.Replace("{\"selector", "{\"serviceName\":\"it\",\"selector", StringComparison.Ordinal)),
            "daemonset" => ("apps/v1", "DaemonSet", Spec),
            "replicaset" => ("apps/v1", "ReplicaSet", Spec),
            _ => ("batch/v1", "Job", $$$"""{"template":{"spec":{"restartPolicy":"Never",{{{Containers}}} } } }"""),
        };
        return $$$"""{"apiVersion":"{{{version}}}","kind":"{{{name}}}","metadata":{"name":"it","namespace":"apps"},"spec":{{{spec}}} }""";
    }

    /// <summary>The Services whose addresses pod-watcher writes for node-proxy, and nothing written yet.</summary>
    private async Task MakeWhatNodesAreTold()
    {
        await DeleteServices();
        await cluster.Api.Kubectl("delete", "configmap", "kuik-node-proxy-endpoints", "-n", "kuik-system", "--ignore-not-found");
        foreach (var service in Services)
            await cluster.Api.Kubectl("create", "service", "clusterip", service, "-n", "kuik-system", "--tcp=80:80");
    }

    private Task<string> DeleteServices() =>
        cluster.Api.Kubectl(["delete", "service", "-n", "kuik-system", "--ignore-not-found", .. Services]);

    private async Task<bool> NoResourceIsLeft() =>
        (await cluster.Api.Kubectl("get", "cachedimages,repositories", "-o", "name")).Trim().Length == 0;
}
