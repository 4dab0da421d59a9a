using System.Text;
using Kuik.Testing;

namespace Kuik.ClusterTests;

/// <summary>Kuik in the cluster, installed and removed with the commands of docs/operations.</summary>
public sealed class Installation(KubernetesApi kubernetes)
{
    private bool isInstalled;

    /// <summary>The overlay: overlays/default, and what Kubernetes 1.20 lacks.</summary>
    public static string Overlay { get; } = Path.Combine(Checkout.Root, "tests/Kuik.ClusterTests/overlay");

    /// <summary>How long the last installation took, from the command to every pod ready.</summary>
    public TimeSpan Duration { get; private set; }

    /// <summary>Installs it unless it is, and waits until all pods are ready.</summary>
    /// <exception cref="TimeoutException">A pod is not ready within eight minutes.</exception>
    public async Task Ready()
    {
        if (isInstalled)
            return;
        var begin = DateTimeOffset.UtcNow;
        await kubernetes.Kubectl("apply", "-k", Overlay);
        // Pods are there a moment after what makes them.
        await Eventually.True(
            async () => (await Pods()).Count >= 9, "the pods are there", TimeSpan.FromMinutes(2));
        var wait = await kubernetes.TryKubectl(["-n", "kuik-system", "wait", "--for=condition=Ready", "pods", "--all", "--timeout=480s"]);
        if (wait.ExitCode != 0)
            throw new TimeoutException($"Kuik is not ready: {wait.Errors}\n{await Describe()}");
        Duration = DateTimeOffset.UtcNow - begin;
        isInstalled = true;
    }

    /// <summary>Steps 1 and 3 of docs/operations/uninstall.md: the webhook, then everything but what is labelled to stay.</summary>
    public async Task Remove()
    {
        await kubernetes.Kubectl("delete", "mutatingwebhookconfiguration", "kuik-webhook");
        await kubernetes.Kubectl("delete", "-k", Overlay, "-l", "kuik.enix.io/keep!=true", "--timeout=180s");
        await Eventually.True(
            async () => (await Pods()).Count == 0, "all pods are gone", TimeSpan.FromMinutes(3));
        isInstalled = false;
    }

    /// <summary>Pods, their events and the last lines of their logs: for a failure.</summary>
    public async Task<string> Describe()
    {
        var text = new StringBuilder(await kubernetes.Kubectl("-n", "kuik-system", "get", "pods", "-o", "wide"));
        foreach (var pod in await Pods())
        {
            var logs = await kubernetes.TryKubectl(["-n", "kuik-system", "logs", "--all-containers", "--tail=15", pod]);
            var events = await kubernetes.TryKubectl(
                ["-n", "kuik-system", "get", "events", "--field-selector", $"involvedObject.name={pod["pod/".Length..]},type!=Normal"]);
            text.Append("\n== ").AppendLine(pod).Append(events.Output).Append(logs.Output).Append(logs.Errors);
        }
        return text.ToString();
    }

    private async Task<IReadOnlyList<string>> Pods() =>
        (await kubernetes.Kubectl("-n", "kuik-system", "get", "pods", "-o", "name")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
}
