using Kuik.CommandLine.Doctor;
using Kuik.CommandLine.Doctor.Checks;
using Kuik.Kubernetes;
using Xunit;
using static Kuik.Tests.Doctor.HealthyCluster;

namespace Kuik.Tests.Doctor;

public sealed class LoopbackCheckTests
{

    [Theory]
    [InlineData("127.0.0.1:7439", "another process has its port")]
    [InlineData("[::1]:7439", "/etc/hosts")]
    public void A_refused_connection_names_the_family_and_the_node(string address, string action)
    {
        var finding = new LoopbackCheck()
            .Only(With(Pending("ErrImagePull", $"localhost:7439/nginx:1.27: {Refused(address)}")));

        Assert.Equal((Severity.Error, $"port {address} is not reached on node-1, by pods apps/web"), (finding.Severity, finding.Found));
        Assert.Contains(action, finding.Action, StringComparison.Ordinal);
    }

    [Fact]
    public void While_the_kubelet_backs_off_the_event_has_the_cause()
    {
        var told = new Event(Meta("e"), new ObjectReference("Pod", "apps", "web"), "Failed", Refused("[::1]:7439"), Now);

        var finding = new LoopbackCheck().Only(
            With(Pending("ImagePullBackOff", "Back-off pulling image \"localhost:7439/nginx:1.27\"")) with { Events = Read([told]) });

        Assert.Equal("port [::1]:7439 is not reached on node-1, by pods apps/web", finding.Found);
    }

    [Fact]
    public void An_origin_that_refuses_its_connection_is_not_our_port()
    {
        var message = "failed to pull localhost:7439/nginx:1.27: 502: dial tcp 127.0.0.1:5000: connect: connection refused";

        Assert.Equal(Severity.Warning, new LoopbackCheck().Only(With(Pending("ErrImagePull", message))).Severity);
    }

    [Fact]
    public void A_pod_that_is_not_rewritten_is_not_ours() =>
        Assert.Equal(Severity.Ok, new LoopbackCheck().Only(With(Pending("ErrImagePull", "nginx:1.27: connection refused"))).Severity);

    [Fact]
    public void The_port_is_the_one_that_is_set()
    {
        var refused = With(Pending("ErrImagePull", "localhost:8000/nginx: dial tcp 127.0.0.1:8000: connect: connection refused"));
        var cluster = refused with { Settings = Settings(("Kuik__Proxy__Port", "8000")) };

        Assert.Equal("port 127.0.0.1:8000 is not reached on node-1, by pods apps/web", new LoopbackCheck().Only(cluster).Found);
    }

    private static string Refused(string address) =>
        $"failed to do request: Head \"http://localhost:7439/v2/nginx/manifests/1.27\": dial tcp {address}: connect: connection refused";

    private static ClusterSnapshot With(Pod pod) => Snapshot with { PendingPods = Read([pod]) };

    private static Pod Pending(string reason, string message) => new(
        new ObjectMeta { Name = "web", Namespace = "apps" }, new PodSpec("node-1"),
        new PodStatus("Pending",
            ContainerStatuses: [new ContainerStatus("web", State: new ContainerState(new StateDetail(reason, message)))]));
}
