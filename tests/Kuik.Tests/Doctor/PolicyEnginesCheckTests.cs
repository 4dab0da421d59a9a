using System.Text.Json.Nodes;
using Kuik.CommandLine.Doctor;
using Kuik.CommandLine.Doctor.Checks;
using Xunit;
using static Kuik.Tests.Doctor.HealthyCluster;

namespace Kuik.Tests.Doctor;

public sealed class PolicyEnginesCheckTests
{
    private static readonly AdmittedPod Denied = new("", "", false,
        "admission webhook \"validate.kyverno.svc-fail\" denied the request: images come from …");

    [Fact]
    public void A_pod_that_is_denied_only_when_it_is_rewritten_is_an_error()
    {
        var (severity, found, action) = new PolicyEnginesCheck().Only(Snapshot with { Admission = Admitted(rewritten: Denied) });

        Assert.Equal(Severity.Error, severity);
        Assert.StartsWith("a rewritten pod in default is denied, and admitted when it opts out of Kuik: admission webhook", found,
            StringComparison.Ordinal);
        Assert.Contains("docs/policy-engines.md", action, StringComparison.Ordinal);
    }

    [Fact]
    public void A_pod_that_is_denied_either_way_says_nothing_about_Kuik() =>
        Assert.Equal(Severity.Unknown, new PolicyEnginesCheck().Only(Snapshot with { Admission = Admitted(Denied, Denied) }).Severity);

    [Fact]
    public void Workloads_whose_rewritten_pods_were_denied_lately_are_named()
    {
        Event[] events =
        [
            new(Meta("a"), new ObjectReference("ReplicaSet", "apps", "web-1"), "FailedCreate",
                "denied: localhost:7439/nginx is not allowed", Now),
            new(Meta("b"), new ObjectReference("ReplicaSet", "apps", "old"), "FailedCreate",
                "denied: localhost:7439/nginx is not allowed", Now.AddHours(-2)),
            new(Meta("c"), new ObjectReference("ReplicaSet", "apps", "other"), "FailedCreate", "exceeded quota", Now),
        ];

        Assert.Equal(
            "pods of apps/web-1 are denied: denied: localhost:7439/nginx is not allowed",
            new PolicyEnginesCheck().Only(Snapshot with { Events = Read(events) }).Found);
    }

    [Theory]
    [InlineData("registry.example.com/*", Severity.Warning)]
    [InlineData("localhost:7439/registry.example.com/*", Severity.Ok)]
    [InlineData("*:*", Severity.Ok)]
    [InlineData("!*:latest", Severity.Ok)]
    public void A_rule_that_does_not_name_the_prefix_is_a_warning(string pattern, Severity expected) => Assert.Equal(
        expected, new PolicyEnginesCheck().Only(Snapshot with { ImageRules = Read([new ImageRule("ClusterPolicy x", [pattern])]) })
            .Severity);

    [Fact]
    public void Images_of_a_Kyverno_policy_are_read_where_it_is_enforced()
    {
        var policy = JsonNode.Parse("""
            {"metadata":{"name":"allowed"},"spec":{"rules":[
              {"validate":{"failureAction":"Enforce","pattern":{"spec":{
                "=(initContainers)":[{"image":"a/* | localhost:7439/a/*"}],"containers":[{"image":"a/* | localhost:7439/a/*"}]}}}},
              {"validate":{"failureAction":"Audit","pattern":{"spec":{"containers":[{"image":"b/*"}]}}}}]}}
            """)!;

        var rule = PolicyReader.KyvernoRule(policy)!;

        Assert.Equal("ClusterPolicy allowed", rule.Policy);
        Assert.Equal(["a/*", "localhost:7439/a/*"], rule.Allowed);
    }

    [Theory]
    [InlineData("repos", "", true)]
    [InlineData("allowedImages", ""","enforcementAction":"deny" """, true)]
    [InlineData("allowedImages", ""","enforcementAction":"dryrun" """, false)]
    [InlineData("labels", "", false)]
    public void Images_of_a_Gatekeeper_constraint_are_read_where_it_denies(string parameter, string action, bool isRule)
    {
        var constraint = JsonNode.Parse($$$"""
            {"kind":"K8sAllowedRepos","metadata":{"name":"x"},"spec":{"parameters":{"{{{parameter}}}":["a/"]}{{{action}}}}}
            """)!;

        Assert.Equal(isRule ? "K8sAllowedRepos x: a/" : null, PolicyReader.GatekeeperRule(constraint) is { } rule
            ? $"{rule.Policy}: {rule.Allowed[0]}" : null);
    }
}
