using System.Text.Json.Nodes;
using Kuik.Hosting;
using Kuik.Webhook;
using Xunit;

namespace Kuik.Tests.Webhook;

/// <summary>Pods that are left alone as a whole because of where or as what they run.</summary>
public sealed class PodExclusionsTests
{
    private const string Affinity =
        """{"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchFields":[]},{"matchExpressions":[EXPRESSION]}]}}}}""";

    [Theory]
    [InlineData("""{"os":{"name":"windows"}}""", "os windows")]
    [InlineData("""{"nodeSelector":{"kubernetes.io/os":"windows"}}""", "node selector kubernetes.io/os=windows")]
    [InlineData("""{"nodeSelector":{"beta.kubernetes.io/os":"windows"}}""", "node selector beta.kubernetes.io/os=windows")]
    [InlineData("""{"nodeSelector":{"node.kubernetes.io/windows-build":"10.0.20348"}}""", "node selector node.kubernetes.io/windows-build")]
    [InlineData("""{"schedulerName":"fargate-scheduler"}""", "scheduler fargate-scheduler")]
    [InlineData("""{"nodeSelector":{"eks.amazonaws.com/compute-type":"fargate"}}""",
        "node selector eks.amazonaws.com/compute-type=fargate")]
    [InlineData("""{"nodeSelector":{"type":"virtual-kubelet"}}""", "node selector type=virtual-kubelet")]
    [InlineData("""{"nodeSelector":{"virtualization":"virtualnode2"}}""", "node selector virtualization=virtualnode2")]
    [InlineData("""{"tolerations":[{"operator":"Exists"},{"key":"virtual-kubelet.io/provider","operator":"Exists"}]}""",
        "toleration virtual-kubelet.io/provider")]
    [InlineData("""{"tolerations":[{"key":"virtual-kubelet.io/provider","value":"azure","effect":"NoSchedule"}]}""",
        "toleration virtual-kubelet.io/provider")]
    [InlineData("""{"runtimeClassName":"kata-cc"}""", "runtime class kata-cc")]
    [InlineData("""{"runtimeClassName":"kata-cc-isolation"}""", "runtime class kata-cc-isolation")]
    [InlineData("""{"runtimeClassName":"kata-remote"}""", "runtime class kata-remote")]
    [InlineData("""{"runtimeClassName":"kata-qemu-coco-dev"}""", "runtime class kata-qemu-coco-dev")]
    [InlineData("""{"runtimeClassName":"kata-qemu-coco-dev-runtime-rs"}""", "runtime class kata-qemu-coco-dev-runtime-rs")]
    [InlineData("""{"runtimeClassName":"kata-qemu-tdx"}""", "runtime class kata-qemu-tdx")]
    [InlineData("""{"runtimeClassName":"kata-qemu-snp"}""", "runtime class kata-qemu-snp")]
    [InlineData("""{"runtimeClassName":"kata-qemu-nvidia-gpu-snp"}""", "runtime class kata-qemu-nvidia-gpu-snp")]
    public void A_pod_that_no_node_proxy_serves_is_left_alone(string spec, string reason) =>
        AssertLeftAlone(spec, reason + ": no node-proxy serves it", Outcome.PodNotServed);

    [Theory]
    [InlineData("""{"key":"kubernetes.io/os","operator":"In","values":["windows"]}""", "kubernetes.io/os=windows")]
    // it may become either
    [InlineData("""{"key":"kubernetes.io/os","operator":"In","values":["linux","windows"]}""", "kubernetes.io/os=windows")]
    [InlineData("""{"key":"type","operator":"In","values":["virtual-kubelet"]}""", "type=virtual-kubelet")]
    [InlineData("""{"key":"node.kubernetes.io/windows-build","operator":"Exists"}""", "node.kubernetes.io/windows-build")]
    public void A_pod_whose_required_node_affinity_names_such_nodes_is_left_alone(string expression, string reason) =>
        AssertLeftAlone(Affinity.Replace("EXPRESSION", expression, StringComparison.Ordinal),
            $"node affinity {reason}: no node-proxy serves it", Outcome.PodNotServed);

    [Theory]
    [InlineData("eks.amazonaws.com/fargate-profile", "any", "label eks.amazonaws.com/fargate-profile")]
    [InlineData("alibabacloud.com/eci", "true", "label alibabacloud.com/eci=true")]
    public void A_pod_with_the_label_of_a_serverless_provider_is_left_alone(string label, string value, string reason)
    {
        var decision = Decide(Pod("{}", new JsonObject { [label] = value }));

        Assert.Empty(decision.Patch);
        Assert.Equal(reason + ": no node-proxy serves it", decision.LeftAlone);
    }

    [Theory]
    [InlineData("""{"priorityClassName":"system-node-critical","priority":2000001000}""", "priority class system-node-critical")]
    [InlineData("""{"priorityClassName":"system-cluster-critical","priority":2000000000}""", "priority class system-cluster-critical")]
    [InlineData("""{"priority":2000000000}""", "priority 2000000000")]
    public void A_critical_pod_is_left_alone_in_every_namespace_unless_the_settings_say_otherwise(string spec, string reason)
    {
        AssertLeftAlone(spec, reason + ": a critical pod must not need Kuik", Outcome.PodCritical);
        Assert.Null(Decide(Pod(spec), ("Kuik:Webhook:IgnoreCriticalPods", "false")).LeftAlone);
    }

    [Theory]
    [InlineData("""{"os":{"name":"linux"},"nodeSelector":{"kubernetes.io/os":"linux","type":"gpu"}}""")]
    [InlineData("""{"schedulerName":"default-scheduler","runtimeClassName":"kata-qemu","priority":1000000000,"priorityClassName":"high"}""")]
    [InlineData("""{"runtimeClassName":"kata-clh"}""")]
    // a DaemonSet tolerates everything
    [InlineData("""{"tolerations":[{"operator":"Exists"},{"key":"node.kubernetes.io/not-ready","operator":"Exists"},{"key":null},null,5]}""")]
    [InlineData("""{"affinity":{"nodeAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":1,"preference":{"matchExpressions":[{"key":"type","operator":"In","values":["virtual-kubelet"]}]}}]}}}""")]
    [InlineData("""{"os":"windows","nodeSelector":["kubernetes.io/os"],"affinity":7,"priority":"x","priorityClassName":null}""")]
    public void Any_other_pod_is_rewritten(string spec)
    {
        Assert.Null(Decide(Pod(spec)).LeftAlone);
        Assert.Contains(Decide(Pod(spec)).Containers, container => container.Outcome == Outcome.Rewritten);
    }

    [Theory]
    [InlineData("""{"key":"type","operator":"NotIn","values":["virtual-kubelet"]}""")]   // the usual way to stay off such nodes
    [InlineData("""{"key":"eks.amazonaws.com/compute-type","operator":"NotIn","values":["fargate"]}""")]
    [InlineData("""{"key":"eks.amazonaws.com/compute-type","operator":"In","values":["auto"]}""")]
    [InlineData("""{"key":"type","operator":"Exists"}""")]
    public void A_node_affinity_that_does_not_name_such_nodes_changes_nothing(string expression) =>
        Assert.Null(Decide(Pod(Affinity.Replace("EXPRESSION", expression, StringComparison.Ordinal))).LeftAlone);

    [Fact]
    public void A_new_ephemeral_container_of_such_a_pod_is_left_alone_too()
    {
        var old = Pod("""{"nodeSelector":{"type":"virtual-kubelet"}}""");
        var pod = old.DeepClone();
        pod["spec"]!["ephemeralContainers"] = new JsonArray(new JsonObject { ["name"] = "debug", ["image"] = "busybox:1" });

        var decision = RewritePod.Decide(Review.Of("UPDATE", pod, old, "ephemeralcontainers"), new RewriteOptions());

        Assert.Equal("node selector type=virtual-kubelet: no node-proxy serves it", decision.LeftAlone);
    }

    [Fact]
    public void A_list_of_the_settings_replaces_the_default_and_an_empty_one_is_empty()
    {
        (string, string?)[] settings =
        [
            ("Kuik:Webhook:IgnoredRuntimeClasses", "own-*, other"), ("Kuik:Webhook:IgnoredSchedulers", ""),
            ("Kuik:Webhook:IgnoredLabels:0", "team=a*z"),
            ("Kuik:Webhook:IgnoredNodeSelectors", "disk"), ("Kuik:Webhook:IgnoredTolerations", "edge=yes"),
        ];

        Assert.NotNull(Decide(Pod("""{"runtimeClassName":"own-vm"}"""), settings).LeftAlone);
        Assert.NotNull(Decide(Pod("""{"nodeSelector":{"disk":""}}"""), settings).LeftAlone);
        Assert.NotNull(Decide(Pod("""{"tolerations":[{"key":"edge","value":"yes"}]}"""), settings).LeftAlone);
        Assert.NotNull(Decide(Pod("{}", new JsonObject { ["team"] = "abcz" }), settings).LeftAlone);
        Assert.Null(Decide(Pod("{}", new JsonObject { ["team"] = "abc" }), settings).LeftAlone);
        Assert.Null(Decide(Pod("""{"tolerations":[{"key":"edge","value":"no"}]}"""), settings).LeftAlone);
        Assert.Null(Decide(Pod(
            """{"schedulerName":"fargate-scheduler","runtimeClassName":"kata-cc","nodeSelector":{"type":"virtual-kubelet"}}"""), settings)
                .LeftAlone);
    }

    [Theory]
    [InlineData("Kuik:Webhook:IgnoredLabels", "a b", "a list of label keys")]
    [InlineData("Kuik:Webhook:IgnoredLabels", "=x", "a list of label keys")]
    [InlineData("Kuik:Webhook:IgnoredNodeSelectors", "type=a=b", "a list of label keys")]
    [InlineData("Kuik:Webhook:IgnoredTolerations", "*", "a list of label keys")]
    [InlineData("Kuik:Webhook:IgnoredSchedulers", "*", "a * alone would match every pod that has one")]
    [InlineData("Kuik:Webhook:IgnoredRuntimeClasses", "Kata", "a list of names")]
    [InlineData("Kuik:Webhook:IgnoredRuntimeClasses", "kata-?", "a list of names")]
    [InlineData("Kuik:Webhook:IgnoreCriticalPods", "no", "true or false")]
    public void A_wrong_setting_is_refused_by_its_key(string key, string value, string accepted)
    {
        var refused = Assert.Throws<InvalidSettingException>(() => Review.Options((key, value)));

        Assert.StartsWith($"{key}: \"{value}\"", refused.Message, StringComparison.Ordinal);
        Assert.Contains(accepted, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_shipped_lists_would_be_accepted_as_settings()
    {
        var shipped = new PodExclusions();

        var read = Review.Options(
            ("Kuik:Webhook:IgnoredLabels", string.Join(", ", shipped.Labels)),
            ("Kuik:Webhook:IgnoredSchedulers", string.Join(", ", shipped.Schedulers)),
            ("Kuik:Webhook:IgnoredRuntimeClasses", string.Join(", ", shipped.RuntimeClasses)),
            ("Kuik:Webhook:IgnoredNodeSelectors", string.Join(", ", shipped.NodeSelectors)),
            ("Kuik:Webhook:IgnoredTolerations", string.Join(", ", shipped.Tolerations))).Exclusions;

        Assert.Equal(
            [.. shipped.Labels, .. shipped.Schedulers, .. shipped.RuntimeClasses, .. shipped.NodeSelectors, .. shipped.Tolerations],
            [.. read.Labels, .. read.Schedulers, .. read.RuntimeClasses, .. read.NodeSelectors, .. read.Tolerations]);
    }

    private static void AssertLeftAlone(string spec, string reason, Outcome outcome)
    {
        var decision = Decide(Pod(spec));

        Assert.Empty(decision.Patch);
        Assert.Equal(reason, decision.LeftAlone);
        Assert.All(decision.Containers, container => Assert.Equal((outcome, reason), (container.Outcome, container.Why)));
    }

    private static PodDecision Decide(JsonNode pod, params (string, string?)[] settings) =>
        RewritePod.Decide(Review.Of("CREATE", pod), Review.Options(settings));

    private static JsonObject Pod(string spec, JsonObject? labels = null)
    {
        var pod = new JsonObject { ["metadata"] = new JsonObject { ["labels"] = labels }, ["spec"] = JsonNode.Parse(spec) };
        pod["spec"]!["containers"] = new JsonArray(new JsonObject { ["name"] = "web", ["image"] = "nginx:1" });
        return pod;
    }
}
