using Kuik.CommandLine.Doctor;
using Kuik.CommandLine.Doctor.Checks;
using Xunit;
using static Kuik.Tests.Doctor.HealthyCluster;

namespace Kuik.Tests.Doctor;

public sealed class DataPathCheckTests
{
    [Fact]
    public void Rewriting_while_a_node_has_no_ready_node_proxy_is_an_error()
    {
        var (severity, found, action) = new DataPathCheck().Only(Snapshot with { Nodes = Read([NewNode("node-1"), NewNode("node-2")]) });

        Assert.Equal(
            (Severity.Error, "no node-proxy is ready on 1 of 2 nodes: node-2, and pods are rewritten: they cannot pull there"),
                (severity, found));
        Assert.Contains("kubectl delete mutatingwebhookconfiguration kuik-webhook", action, StringComparison.Ordinal);
    }

    [Fact]
    public void A_node_proxy_that_is_not_ready_does_not_count() => Assert.Equal(
        Severity.Error, new DataPathCheck().Only(Snapshot with { Pods = Read([NewPod("node-proxy", ready: "False")]) }).Severity);

    [Fact]
    public void While_nothing_is_rewritten_it_is_a_warning() => Assert.Equal(
        Severity.Warning, new DataPathCheck()
            .Only(Snapshot with { Pods = Read<Pod>([]), Webhook = Reading.Of<WebhookConfiguration?>(null) }).Severity);

    [Fact]
    public void Nodes_that_are_not_ready_or_run_Windows_need_none()
    {
        var windows = NewNode("node-2") with
        {
            Metadata = new Kuik.Kubernetes.ObjectMeta
            {
                Name = "node-2",
                Labels = new Dictionary<string, string> { ["kubernetes.io/os"] = "windows" },
            },
        };

        Assert.Equal(Severity.Ok, new DataPathCheck()
            .Only(Snapshot with { Nodes = Read([NewNode("node-1"), windows, NewNode("node-3", "Unknown")]) }).Severity);
    }
}
