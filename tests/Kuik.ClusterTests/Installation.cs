using System.Diagnostics;
using System.Text;
using Kuik.Testing;

namespace Kuik.ClusterTests;

/// <summary>Kuik in the cluster, installed and removed with the commands of docs/operations.</summary>
public sealed class Installation(KubernetesApi kubernetes)
{
    private const string Space = "kuik-system";
    private const string LetGo = "node-proxy-let-go";
    private bool isInstalled;

    /// <summary>The overlay: overlays/default without what Kubernetes 1.20 lacks.</summary>
    public static string Overlay { get; } = Path.Combine(Checkout.Root, "tests/Kuik.ClusterTests/overlay");

    /// <summary>Another version of it, whose unused images expire after a minute.</summary>
    public static string NextOverlay { get; } = Path.Combine(Checkout.Root, "tests/Kuik.ClusterTests/overlay-next");

    /// <summary>The same version with short times and the collector of garbage.</summary>
    public static string LifeOverlay { get; } = Path.Combine(Checkout.Root, "tests/Kuik.ClusterTests/overlay-life");

    /// <summary>Installs it unless it is, and waits until all pods are ready.</summary>
    /// <exception cref="TimeoutException">A pod is not ready within eight minutes.</exception>
    public async Task Ready()
    {
        if (isInstalled)
            return;
        var begin = Stopwatch.GetTimestamp();
        await kubernetes.Kubectl("apply", "-k", Overlay);
        // Pods are there a moment after what makes them.
        await Eventually.True(
            async () => (await Pods()).Count >= 9, "the pods are there", TimeSpan.FromMinutes(2));
        await WaitUntilReady();
        Console.WriteLine(FormattableString.Invariant($"installed in {Stopwatch.GetElapsedTime(begin).TotalSeconds:0} s"));
        isInstalled = true;
    }

    /// <summary>Applies it where something of it was changed or deleted, and waits until all pods are as they were.</summary>
    public async Task ApplyAgain()
    {
        await kubernetes.Kubectl("apply", "-k", Overlay);
        await WaitUntilRolledOut();
    }

    /// <summary>
    /// Takes the pods of a DaemonSet away, with a selector that no node satisfies. <see cref="ApplyAgain"/> takes it back.
    /// </summary>
    public async Task RunOnNoNode(string daemonSet)
    {
        await kubernetes.Kubectl(
            "-n", Space, "patch", "daemonset", daemonSet,
            "-p", """{"spec":{"template":{"spec":{"nodeSelector":{"kubernetes.io/os":"none"}}}}}""");
        await Eventually.True(
            async () => (await Pods(daemonSet["kuik-".Length..])).Count == 0, $"{daemonSet} has no pods", TimeSpan.FromMinutes(3));
    }

    /// <summary>Waits until every pod that is there is ready, and none is ending.</summary>
    /// <exception cref="TimeoutException">One is not, within eight minutes.</exception>
    public async Task WaitUntilReady()
    {
        await Eventually.True(
            async () => await kubernetes.Kubectl("-n", Space, "get", "pods", "-o", "jsonpath={.items[*].metadata.deletionTimestamp}") == "",
            "no pod is ending", TimeSpan.FromMinutes(3));
        var wait = await kubernetes.TryKubectl(["-n", Space, "wait", "--for=condition=Ready", "pods", "--all", "--timeout=480s"]);
        if (wait.ExitCode != 0)
            throw new TimeoutException($"Kuik is not ready: {wait.Errors}\n{await Describe()}");
    }

    /// <summary>Waits until all pods are those of the last change and ready, as docs/operations/upgrade.md does.</summary>
    /// <exception cref="TimeoutException">They are not, within eight minutes.</exception>
    public async Task WaitUntilRolledOut()
    {
        await ReplaceNodeProxies();
        var status = await kubernetes.TryKubectl(["-n", Space, "rollout", "status", "deployment,statefulset", "--timeout=480s"]);
        if (status.ExitCode != 0)
            throw new TimeoutException($"the rollout does not end: {status.Output}{status.Errors}\n{await Describe()}");
        await WaitUntilReady();
    }

    /// <summary>Sets the number of pods, and waits until there are that many, all ready.</summary>
    /// <param name="workload">For example <c>deployment/kuik-rabbitmq</c>.</param>
    /// <param name="replicas">0 or more.</param>
    public async Task Scale(string workload, int replicas)
    {
        await kubernetes.Kubectl("-n", Space, "scale", workload, $"--replicas={replicas}");
        var component = workload[(workload.IndexOf("/kuik-", StringComparison.Ordinal) + 6)..];
        await Eventually.True(
            async () => (await Pods(component)).Count == replicas, $"{workload} has {replicas} pods", TimeSpan.FromMinutes(3));
        if (replicas > 0)
            await WaitUntilReady();
    }

    /// <summary>Restarts everything, pods in the order that an upgrade replaces them in, and waits until all are ready.</summary>
    public async Task Restart()
    {
        await kubernetes.Kubectl("-n", Space, "rollout", "restart", "deployment,statefulset,daemonset");
        await WaitUntilRolledOut();
    }

    /// <summary>
    /// Deletes the pods of a part, as the drain of a node does, and waits until they are gone; what made them then makes them anew.
    /// </summary>
    public Task Evict(string component) => kubernetes.Kubectl(
        "-n", Space, "delete", "pods", "-l", $"app.kubernetes.io/component={component}");

    /// <summary>Deletes the pods of these parts at once; what made them makes them anew.</summary>
    public Task Kill(params string[] components) => kubernetes.Kubectl(
        "-n", Space, "delete", "pods", "--force", "--grace-period=0",
        "-l", $"app.kubernetes.io/component in ({string.Join(',', components)})");

    /// <summary>How often containers were restarted, by pod; Postgres and RabbitMQ left out.</summary>
    public async Task<IReadOnlyDictionary<string, string>> Restarts() => (await kubernetes.Kubectl(
        "-n", Space, "get", "pods", "-l", "app.kubernetes.io/component notin (postgres,rabbitmq)",
        "-o", "jsonpath={range .items[*]}{.metadata.name}={.status.containerStatuses[*].restartCount};{end}"))
        .Split(';', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split('=')).ToDictionary(line => line[0], line => line[1]);

    /// <summary>The container of the only pod of a part, as containerd calls it: the last one if it has ended, empty if none.</summary>
    public async Task<string> Container(string component)
    {
        var id = await kubernetes.Kubectl(
            "-n", Space, "get", "pods", "-l", $"app.kubernetes.io/component={component}",
            "-o", "jsonpath={.items[0].status.containerStatuses[0].containerID}");
        return id.Replace("containerd://", "", StringComparison.Ordinal);
    }

    /// <summary>Step 1 of docs/operations/uninstall.md: no pod is rewritten any more.</summary>
    public Task StopRewriting() => kubernetes.Kubectl("delete", "mutatingwebhookconfiguration", "kuik-webhook");

    /// <summary>Step 3: everything but what is labelled to stay.</summary>
    public async Task Remove()
    {
        await kubernetes.Kubectl("delete", "-k", Overlay, "-l", "kuik.enix.io/keep!=true", "--timeout=180s");
        await Eventually.True(
            async () => (await Pods()).Count == 0, "all pods are gone", TimeSpan.FromMinutes(3));
        isInstalled = false;
    }

    /// <summary>Step 4: the namespace, and the volumes with it.</summary>
    public Task RemoveData() => kubernetes.Kubectl("delete", "namespace", Space, "--timeout=180s");

    /// <summary>Pods, their events and the last lines of their logs: for a failure.</summary>
    public async Task<string> Describe()
    {
        var text = new StringBuilder(await kubernetes.Kubectl("-n", Space, "get", "pods", "-o", "wide"));
        foreach (var pod in await Pods())
        {
            var logs = await kubernetes.TryKubectl(["-n", Space, "logs", "--all-containers", "--tail=15", pod]);
            var events = await kubernetes.TryKubectl(
                ["-n", Space, "get", "events", "--field-selector", $"involvedObject.name={pod["pod/".Length..]},type!=Normal"]);
            text.Append("\n== ").AppendLine(pod).Append(events.Output).Append(logs.Output).Append(logs.Errors);
        }
        return text.ToString();
    }

    /// <summary>Names of the pods, as <c>pod/NAME</c>.</summary>
    /// <param name="component">Of this part alone; null for all.</param>
    /// <param name="more">A further condition of the selector, with its comma.</param>
    public async Task<IReadOnlyList<string>> Pods(string? component = null, string more = "")
    {
        var label = "app.kubernetes.io/component" + (component is null ? "" : $"={component}") + more;
        return (await kubernetes.Kubectl("-n", Space, "get", "pods", "-l", label, "-o", "name"))
            .Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>
    /// Replaces outdated node-proxies as maxSurge does since Kubernetes 1.22, where tests/kubernetes-1.20 has OnDelete: the old pod,
    /// which its DaemonSet has let go of, serves on until the new one is available beside it.
    /// </summary>
    private async Task ReplaceNodeProxies()
    {
        await Eventually.True(
            async () => await OfNodeProxies("{.status.observedGeneration}") == await OfNodeProxies("{.metadata.generation}"),
            "the DaemonSet's controller has seen the change", TimeSpan.FromMinutes(1));
        const string Label = "controller-revision-hash";
        var current = await kubernetes.Kubectl(
            "-n", Space, "get", "controllerrevisions", "-l", "app.kubernetes.io/component=node-proxy", "--sort-by=.revision",
            "-o", $"jsonpath={{.items[-1:].metadata.labels.{Label}}}");
        var outdated = await Pods("node-proxy", $",{Label}!={current}");
        foreach (var pod in outdated)
            await kubernetes.Kubectl("-n", Space, "label", "--overwrite", pod, $"app.kubernetes.io/component={LetGo}");
        await Eventually.True(AreNodeProxiesAvailable, "current node-proxies are available", TimeSpan.FromMinutes(8));
        if (outdated.Count > 0)
            await Evict(LetGo);
    }

    private async Task<bool> AreNodeProxiesAvailable()
    {
        var counts = await OfNodeProxies("{.status.desiredNumberScheduled} {.status.updatedNumberScheduled} {.status.numberAvailable}");
        return counts.Split(' ').Distinct().Count() == 1;
    }

    private Task<string> OfNodeProxies(string path) =>
        kubernetes.Kubectl("-n", Space, "get", "daemonset", "kuik-node-proxy", "-o", $"jsonpath={path}");
}
