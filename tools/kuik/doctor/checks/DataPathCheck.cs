using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Doctor.Checks;

/// <summary>Checks that a node-proxy is ready on every node where pods are rewritten: a rewritten pod pulls from its own node.</summary>
internal sealed class DataPathCheck : Check
{
    /// <inheritdoc/>
    public override string Name => "data-path";

    /// <inheritdoc/>
    protected override IEnumerable<IReading> Needs(ClusterSnapshot cluster) => [cluster.Webhook, cluster.Nodes, cluster.Pods];

    /// <inheritdoc/>
    protected override IEnumerable<Finding> Decide(ClusterSnapshot cluster)
    {
        var served = Served(cluster);
        var without = Nodes(cluster).Where(node => !served.Contains(node)).ToList();
        if (without.Count == 0)
            yield break;
        var found = $"no node-proxy is ready on {without.Count} of {Nodes(cluster).Count} nodes: {Excerpt.Of(without)}";
        var look = $"kubectl -n {cluster.Namespace} get pods -o wide -l app.kubernetes.io/component=node-proxy";
        if (cluster.Webhook.Value is null)
            yield return Warning(found + "; pods are not rewritten now, those that were cannot pull there",
                $"Find out why before pods are rewritten again: {look}.");
        else
            yield return Error(
                found + ", and pods are rewritten: they cannot pull there",
                $"Stop rewriting until it is ready (kubectl delete mutatingwebhookconfiguration kuik-webhook), and find out why: {look}.");
    }

    /// <inheritdoc/>
    protected override string Describe(ClusterSnapshot cluster) => $"a node-proxy is ready on each of {Nodes(cluster).Count} nodes";

    private static List<string> Nodes(ClusterSnapshot cluster) =>
        [.. cluster.Nodes.Value.Where(node => node is { IsReady: true, IsLinux: true }).Select(node => node.Metadata.Name!)];

    private static HashSet<string?> Served(ClusterSnapshot cluster) =>
        [.. cluster.Pods.Value.Where(pod => pod is { Component: "node-proxy", IsReady: true, IsOver: false })
            .Select(pod => pod.Spec?.NodeName)];
}
