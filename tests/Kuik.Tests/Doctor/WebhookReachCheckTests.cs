using Kuik.CommandLine.Doctor;
using Kuik.CommandLine.Doctor.Checks;
using Xunit;
using static Kuik.Tests.Doctor.HealthyCluster;

namespace Kuik.Tests.Doctor;

public sealed class WebhookReachCheckTests
{
    private static readonly AdmittedPod Unseen = new("nginx:1.27", "IfNotPresent", false, null);

    [Fact]
    public void A_webhook_that_neither_admission_nor_the_proxy_reaches_is_behind_a_firewall()
    {
        var cluster = Snapshot with
        {
            Admission = Admitted(Unseen),
            Answers = [Unreached("webhook", "dial tcp 10.0.0.7:9443: i/o timeout")],
        };

        var (severity, found, action) = new WebhookReachCheck().Only(cluster);

        Assert.Equal(Severity.Error, severity);
        Assert.Contains("does not reach port 9443", found, StringComparison.Ordinal);
        Assert.Contains("GKE", action, StringComparison.Ordinal);
        Assert.Contains("hostNetwork", action, StringComparison.Ordinal);
    }

    [Fact]
    public void A_webhook_that_only_the_proxy_reaches_has_another_fault()
    {
        var (severity, found, action) = new WebhookReachCheck().Only(Snapshot with { Admission = Admitted(Unseen) });

        Assert.Equal((Severity.Error, "a pod in default was admitted without it, though the API server reaches its pods"),
            (severity, found));
        Assert.Contains("webhook-certificate", action, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_running_pod_of_the_webhook_that_is_the_cause()
    {
        var (severity, found, _) = new WebhookReachCheck().Only(Snapshot with { Admission = Admitted(Unseen), Answers = [] });

        Assert.Equal((Severity.Error, "a pod in default was admitted without it, and none of its pods runs"), (severity, found));
    }

    [Fact]
    public void Without_a_configuration_nothing_is_rewritten_which_is_a_warning() =>
        Assert.Equal(Severity.Warning, new WebhookReachCheck().Only(Snapshot with { Webhook = Reading.Of<WebhookConfiguration?>(null) })
            .Severity);

    [Fact]
    public void A_selector_that_selects_no_namespace_is_a_warning_unless_a_component_wants_it_so()
    {
        var selector = new LabelSelector(MatchExpressions: [new("kuik.enix.io/rewrite", "In", ["true"])]);
        var cluster = Snapshot with { Webhook = Configuration("", selector) };
        var observing = cluster with { Namespaces = Read([NewNamespace("default"), NewNamespace(Space, "observe-only")]) };

        Assert.Equal(Severity.Warning, new WebhookReachCheck().Only(cluster).Severity);
        Assert.Equal(Severity.Ok, new WebhookReachCheck().Only(observing).Severity);
    }

    [Fact]
    public void Without_the_right_to_create_pods_nothing_is_known() => Assert.Equal(
        Severity.Unknown, new WebhookReachCheck().Only(Snapshot with { Admission = Reading<Admission>.Failed("403 cannot create") })
            .Severity);
}
