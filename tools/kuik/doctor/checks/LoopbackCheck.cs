using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Doctor.Checks;

/// <summary>
/// Checks that nodes reach node-proxy's port on their loopback, over the address family of <c>localhost</c> there. Derived from failed
/// pulls: node-proxy's own probe uses 127.0.0.1 only.
/// </summary>
internal sealed class LoopbackCheck : Check
{
    private static readonly string[] Unreached = ["connection refused", "i/o timeout", "no route to host", "deadline exceeded",
        "no such host", "cannot assign"];

    /// <inheritdoc/>
    public override string Name => "loopback-port";

    /// <inheritdoc/>
    protected override IEnumerable<IReading> Needs(ClusterSnapshot cluster) => [cluster.PendingPods, cluster.Events, cluster.Settings];

    /// <inheritdoc/>
    protected override IEnumerable<Finding> Decide(ClusterSnapshot cluster)
    {
        var failures = cluster.PendingPods.Value.Where(pod => !pod.IsOver).Select(pod => (Pod: pod, Message: FailureOf(pod, cluster)))
            .Where(one => one.Message is not null).ToList();
        foreach (var group in failures.GroupBy(one => AddressIn(one.Message!, cluster.ProxyPort)))
        {
            var nodes = Excerpt.Of(
                [.. group.Select(one => one.Pod.Spec?.NodeName ?? "(no node)").Distinct().Order(StringComparer.Ordinal)]);
            var pods = Excerpt.Of(
                [.. group.Select(one => $"{one.Pod.Metadata.Namespace}/{one.Pod.Metadata.Name}").Order(StringComparer.Ordinal)]);
            yield return group.Key is { } address
                ? Error($"port {address} is not reached on {nodes}, by pods {pods}", ActionOf(address, cluster))
                : Warning($"node-proxy answers, and pulls fail of pods {pods}: {Excerpt.Of(group.First().Message!)}",
                    "If the image exists on the node only, see docs/pull-policy.md; else kubectl describe cachedimage says what its "
                        + "registry answers.");
        }
    }

    /// <inheritdoc/>
    protected override string Describe(ClusterSnapshot cluster) => $"no pull from localhost:{cluster.ProxyPort} fails";

    // Kubelets before 1.32 report only "Back-off" after the first failure; the event has the cause.
    private static string? FailureOf(Pod pod, ClusterSnapshot cluster)
    {
        var stuck = pod.Containers.FirstOrDefault(one => one.State?.Waiting?.Reason is "ErrImagePull" or "ImagePullBackOff"
            && one.State.Waiting.Message?.Contains(cluster.ProxyPrefix, StringComparison.Ordinal) == true);
        if (stuck is null)
            return null;
        var told = cluster.Events.Value.Where(e => e.Reason == "Failed" && e.InvolvedObject?.Name == pod.Metadata.Name
            && e.InvolvedObject?.Namespace == pod.Metadata.Namespace).OrderByDescending(e => e.At).Select(e => e.Message ?? "");
        string[] all = [stuck.State!.Waiting!.Message!, .. told];
        return all.FirstOrDefault(message => AddressIn(message, cluster.ProxyPort) is not null)
            ?? all.FirstOrDefault(message => message.Contains("failed to", StringComparison.OrdinalIgnoreCase)) ?? all[0];
    }

    private static string? AddressIn(string message, int port)
    {
        if (!Unreached.Any(symptom => message.Contains(symptom, StringComparison.OrdinalIgnoreCase)))
            return null;
        string[] addresses = [$"127.0.0.1:{port}", $"[::1]:{port}"];
        return addresses.FirstOrDefault(address => message.Contains($"dial tcp {address}", StringComparison.Ordinal))
            ?? (message.Contains($"lookup localhost", StringComparison.Ordinal) ? $"localhost:{port}" : null);
    }

    private static string ActionOf(string address, ClusterSnapshot cluster) => address[0] switch
    {
        '[' when cluster.HasComponent("host-port") =>
            "The component host-port works over IPv4 only: let localhost be 127.0.0.1 in /etc/hosts of these nodes.",
        '[' => "node-proxy listens on ::1 where the node has it: restart node-proxy there, or let localhost be 127.0.0.1 in /etc/hosts "
            + "of these nodes.",
        'l' => "Add localhost to /etc/hosts of these nodes.",
        _ => $"See whether node-proxy runs there and another process has its port: kubectl -n {cluster.Namespace} logs -l "
            + "app.kubernetes.io/component=node-proxy.",
    };
}
