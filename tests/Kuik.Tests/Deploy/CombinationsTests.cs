using k8s.Models;
using Xunit;

namespace Kuik.Tests.Deploy;

/// <summary>Components together: what people run, and what is refused with a sentence.</summary>
public sealed class CombinationsTests
{
    /// <summary>By name, an overlay and its components.</summary>
    private static readonly Dictionary<string, Installation> Named = new()
    {
        ["AWS"] = new("ha", "garbage-collection", "s3", "external-postgres", "external-rabbitmq", "monitors"),
        ["GKE"] = new("ha", "garbage-collection", "gcs", "monitors", "hpa", "multiple-architectures"),
        ["AKS"] = new("ha", "garbage-collection", "azure", "cloudnative-pg", "network-policies"),
        ["with operators"] = new("default", "cloudnative-pg", "rabbitmq-operator", "cert-manager", "monitors"),
        ["a queue that scales"] = new("default", "keda", "monitors", "network-policies"),
        ["a corporate network"] = new("default", "persistence", "garbage-collection", "outbound-proxy", "private-certificate-authorities",
            "network-policies", "second-registry"),
        ["from v1"] = new("default", "garbage-collection", "observe-only", "v1-migration", "ignored-namespaces", "registry-ui"),
        ["no rewriting"] = new("default", "mirror-mode", "garbage-collection", "shared-volume"),
        ["no hostNetwork"] = new("default", "host-port", "network-policies"),
        ["kind"] = new("ephemeral", "multiple-architectures", "registry-ui", "monitors"),
    };

    public static TheoryData<string> Names => [.. Named.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task A_named_combination_builds_and_is_sound(string name) =>
        Assert.Empty(ManifestsTests.Problems(await Named[name].Build()));

    [Theory]
    [InlineData("default", "s3,gcs", "s3 and gcs cannot be combined: the registry keeps its blobs in one place")]
    [InlineData("default", "s3,shared-volume", "s3 and shared-volume cannot be combined: the registry keeps its blobs in one place")]
    [InlineData("default", "external-postgres,cloudnative-pg", "external-postgres and cloudnative-pg cannot be combined: there is one")]
    [InlineData("default", "external-rabbitmq,rabbitmq-operator", "external-rabbitmq and rabbitmq-operator cannot be combined: there is")]
    [InlineData("default", "hpa,keda", "hpa and keda cannot be combined: two autoscalers of image-fetcher would undo each other's work")]
    [InlineData("default", "external-rabbitmq,keda", "keda and external-rabbitmq cannot be combined: it asks the RabbitMQ of the")]
    [InlineData("default", "observe-only,mirror-mode", "observe-only and mirror-mode cannot be combined: the first promises that no")]
    [InlineData("ephemeral", "external-postgres", "ephemeral and external-postgres cannot be combined: the event log would call")]
    [InlineData("ephemeral", "garbage-collection", "CronJob kuik-garbage-collection needs the claim data-kuik-registry-0")]
    [InlineData("default", "s3,garbage-collection", "CronJob kuik-garbage-collection needs the claim data-kuik-registry-0")]
    public async Task A_contradiction_is_refused_with_a_sentence(string overlay, string components, string sentence)
    {
        var problems = ManifestsTests.Problems(await new Installation(overlay, components.Split(',')).Build());

        Assert.Contains(problems, problem => problem.StartsWith(sentence, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Replicas_that_each_have_a_store_are_refused()
    {
        var set = await new Installation("default").Build();

        foreach (var registry in set.All<V1StatefulSet>().Where(owner => owner.Metadata.Name == "kuik-registry"))
            registry.Spec.Replicas = 2;

        Assert.Contains("kuik-registry has 2 replicas with a store each: they need one store, such as s3", ManifestsTests.Problems(set));
    }
}
