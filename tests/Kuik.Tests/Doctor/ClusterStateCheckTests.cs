using Kuik.CommandLine.Doctor;
using Kuik.CommandLine.Doctor.Checks;
using Xunit;
using static Kuik.Tests.Doctor.HealthyCluster;

namespace Kuik.Tests.Doctor;

/// <summary>The checks of what was applied: parts, versions, volumes, addresses, pull policies.</summary>
public sealed class ClusterStateCheckTests
{
    private static readonly AdmittedPod Always = new("nginx:1.27", "Always", false, null);

    [Fact]
    public void A_part_that_is_not_there_is_named() => Assert.Equal(
        "not there: kuik-node-proxy, kuik-pod-watcher, kuik-image-fetcher, kuik-expiry, kuik-registry",
        new InstallationCheck().Only(Snapshot with { Workloads = Read([NewWorkload("webhook")]) }).Found);

    [Fact]
    public void A_part_that_is_scaled_to_nothing_is_named()
    {
        var registry = NewWorkload("registry") with { Spec = new WorkloadSpec(Replicas: 0) };
        var workloads = Snapshot.Workloads.Value.Where(workload => workload.Metadata.Name != "kuik-registry");

        var finding = new InstallationCheck().Only(Snapshot with { Workloads = Read<Workload>([.. workloads, registry]) });

        Assert.Equal((Severity.Error, "scaled to 0 pods: kuik-registry"), (finding.Severity, finding.Found));
    }

    [Fact]
    public void Without_the_namespace_there_is_no_installation() => Assert.Equal(
        "there is no namespace kuik-system", new InstallationCheck().Only(Snapshot with { Namespaces = Read([NewNamespace("default")]) })
            .Found);

    [Fact]
    public void Half_an_upgrade_is_a_warning_that_names_the_versions()
    {
        var (severity, found, _) = new VersionsCheck().Only(
            Snapshot with
            {
                Pods = Read<Pod>([]),
                Workloads = Read(
                    [NewWorkload("webhook", "registry.example.com:5000/kuik/webhook:0.2.0@sha256:aa"), NewWorkload("expiry")]),
            });

        Assert.Equal((Severity.Warning, "services are of different versions: expiry 0.1.0, webhook 0.2.0"), (severity, found));
    }

    [Fact]
    public void A_pod_of_the_version_before_is_a_warning() => Assert.Equal(
        "pods of another version still run: kuik-expiry-1", new VersionsCheck()
            .Only(Snapshot with { Pods = Read([NewPod("expiry", "0.0.9")]) }).Found);

    [Fact]
    public void Images_named_by_digest_only_do_not_say_their_version() => Assert.Equal(
        Severity.Unknown, new VersionsCheck().Only(Snapshot with { Workloads = Read([NewWorkload("webhook", "kuik/webhook@sha256:aa")]) })
            .Severity);

    [Theory]
    [InlineData(null, "the cluster has no default StorageClass")]
    [InlineData("fast", "asks for the StorageClass fast, which is not there")]
    public void A_claim_that_no_class_serves_is_an_error(string? wanted, string found)
    {
        var finding = new VolumesCheck().Only(Snapshot with { Claims = Read([NewClaim("data-kuik-registry-0", "Pending", wanted)]) });

        Assert.Equal(Severity.Error, finding.Severity);
        Assert.Contains(found, finding.Found, StringComparison.Ordinal);
    }

    [Fact]
    public void A_claim_that_a_class_may_still_serve_is_a_warning() => Assert.Equal(
        Severity.Warning, new VolumesCheck()
            .Only(Snapshot with { Claims = Read([NewClaim("data-kuik-registry-0", "Pending", "standard")]) }).Severity);

    [Fact]
    public void An_address_that_a_Service_no_longer_has_is_an_error()
    {
        var (severity, found, _) = new ServiceAddressesCheck().Only(
            Snapshot with { Endpoints = Reading.Of<string?>("cache=http://10.96.0.99:5001\nfetcher=http://10.96.0.6:8080\n") });

        Assert.Equal((Severity.Error, "node-proxy is told that kuik-registry-read is at 10.96.0.99:5001, and it is at 10.96.0.5:5001"),
            (severity, found));
    }

    [Fact]
    public void An_IPv6_address_is_compared_as_an_address() => Assert.Equal(
        Severity.Ok,
        new ServiceAddressesCheck().Only(Snapshot with
        {
            Services = Read([NewService("kuik-registry-read", "fd00:0:0::5", 5001), NewService("kuik-image-fetcher", "10.96.0.6", 8080)]),
            Endpoints = Reading.Of<string?>("cache=http://[fd00::5]:5001\nfetcher=http://10.96.0.6:8080\n"),
        }).Severity);

    [Fact]
    public void Addresses_that_were_never_written_are_a_warning() =>
        Assert.Equal(Severity.Warning, new ServiceAddressesCheck().Only(Snapshot with { Endpoints = Reading.Of<string?>(null) }).Severity);

    [Fact]
    public void With_AlwaysPullImages_nothing_is_rewritten_unless_that_is_set()
    {
        var cluster = Snapshot with { Admission = Admitted(untouched: Always) };

        Assert.Equal(Severity.Error, new PullPolicyCheck().Only(cluster).Severity);
        Assert.Equal(Severity.Ok, new PullPolicyCheck()
            .Only(cluster with { Settings = Settings(("Kuik__Webhook__IgnorePullPolicyAlways", "False")) }).Severity);
        Assert.Equal(Severity.Ok, new PullPolicyCheck().Only(cluster with { Namespaces = Read([NewNamespace(Space, "mirror-mode")]) })
            .Severity);
    }
}
