using Kuik.CommandLine.Doctor;
using Kuik.CommandLine.Doctor.Checks;
using Xunit;
using static Kuik.Tests.Doctor.HealthyCluster;

namespace Kuik.Tests.Doctor;

public sealed class PodsCheckTests
{
    [Fact]
    public void A_pod_that_crashes_is_named_with_its_exit_code()
    {
        var status = new ContainerStatus(
            "expiry", RestartCount: 7, State: new ContainerState(new StateDetail("CrashLoopBackOff", "back-off 5m0s")),
            LastState: new ContainerState(Terminated: new StateDetail("OOMKilled", ExitCode: 137)));

        var (severity, found, action) = Examine(NewPod("expiry", status: status, ready: "False"));

        Assert.Equal(
            (Severity.Error, "pod kuik-expiry-1 is not ready: container expiry is CrashLoopBackOff: back-off 5m0s (last ended with exit "
                + "code 137, OOMKilled)"),
            (severity, found));
        Assert.Contains("--previous", action, StringComparison.Ordinal);
    }

    [Fact]
    public void A_pod_without_a_node_says_why()
    {
        var pod = NewPod("expiry") with
        {
            Status = new PodStatus("Pending",
                Conditions: [new Condition("PodScheduled", "False", "Unschedulable", "0/1 nodes: insufficient memory")]),
        };

        Assert.Equal("pod kuik-expiry-1 is not ready: Unschedulable: 0/1 nodes: insufficient memory", Examine(pod).Found);
    }

    [Fact]
    public void A_pod_that_waits_for_a_Secret_leads_to_setup()
    {
        var status = new ContainerStatus("expiry",
            State: new ContainerState(new StateDetail("CreateContainerConfigError", "secret not found")));

        Assert.Contains("-c setup", Examine(NewPod("expiry", status: status, ready: "False")).Action, StringComparison.Ordinal);
    }

    [Fact]
    public void A_failing_probe_is_said() => Assert.Equal(
        "pod kuik-expiry-1 is not ready: its probe fails in expiry",
            Examine(NewPod("expiry", status: new ContainerStatus("expiry"), ready: "False")).Found);

    [Fact]
    public void A_ready_pod_that_restarts_often_is_a_warning() =>
        Assert.Equal(Severity.Warning, Examine(NewPod("expiry", status: new ContainerStatus("expiry", Ready: true, RestartCount: 5)))
            .Severity);

    [Fact]
    public void No_pod_at_all_is_an_error() =>
        Assert.Equal(Severity.Error, new PodsCheck().Only(Snapshot with { Pods = Read<Pod>([]) }).Severity);

    [Fact]
    public void A_pod_of_a_Job_that_has_ended_is_not_looked_at()
    {
        var over = NewPod("garbage-collection", ready: "False") with { Status = new PodStatus("Succeeded") };

        Assert.Equal((Severity.Ok, "all 1 pods are ready"),
            (Examine(over, NewPod("expiry")).Severity, Examine(over, NewPod("expiry")).Found));
    }

    private static (Severity Severity, string Found, string? Action) Examine(params Pod[] pods) => new PodsCheck()
        .Only(Snapshot with { Pods = Read(pods) });
}
