using k8s.Models;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Deploy;

/// <summary>
/// deploy/kustomize as kubectl builds it: every overlay, and every component alone on the default one. Unknown fields, names that lead
/// nowhere, settings that are not read and contradictions are refused. <c>make manifests-check DIR=…</c> checks a kustomization of your own
/// as well.
/// </summary>
public sealed class ManifestsTests
{
    private static readonly Lazy<Task<ManifestSet>> Default = new(() => new Installation("default").Build());

    public static TheoryData<string> Overlays => [.. Installation.Overlays];

    public static TheoryData<string> Components => [.. Installation.AllComponents];

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task Every_overlay_builds_and_is_sound(string overlay)
    {
        var set = await new Installation(overlay).Build();

        Assert.Empty(Problems(set).Concat(ProgramRules.Problems(set)));
        Assert.Equal(Rights(await Default.Value), Rights(set));
    }

    [Theory]
    [MemberData(nameof(Components))]
    public async Task Every_component_alone_builds_and_is_sound(string component)
    {
        var set = await new Installation("default", component).Build();

        Assert.Empty(Problems(set).Concat(ProgramRules.Problems(set)));
        Assert.Contains(component, set.Parts);
        Assert.Equal(Rights(await Default.Value), Rights(set));
    }

    [Fact]
    public async Task A_kustomization_of_your_own_is_sound()
    {
        var folder = Environment.GetEnvironmentVariable("KUIK_MANIFESTS") is { Length: > 0 } named
            ? named
            : Path.Combine(Installation.Folder, "overlays/default");

        Assert.Empty(Problems(await Installation.Build(Path.GetFullPath(folder, Checkout.Root))));
    }

    [Fact]
    public void A_setting_that_no_service_reads_is_refused() => Assert.Equal(
        ["Kuik__Proxy__NoSuchThing is a setting that no service reads"],
        SettingRules.Problems(ManifestSet.Parse(
            """
            apiVersion: v1
            kind: ConfigMap
            metadata:
              name: kuik-settings
            data:
              Kuik__Proxy__NoSuchThing: "1"
              Kuik__Proxy__Port: "7439"
              Kuik__Platforms__0: linux/arm64
              OTHER: "1"
            """)));

    [Fact]
    public async Task A_program_that_an_image_does_not_have_is_refused()
    {
        var set = await new Installation("default", "garbage-collection").Build();
        var collection = set.Manifests.Single(manifest => manifest.Kind == "CronJob").Yaml;
        var wrong = collection.Replace("- cp\n", "- rsync\n", StringComparison.Ordinal);

        Assert.Equal(
            ["registry of CronJob kuik-garbage-collection runs rsync, which is not known to be in registry:2.8.3"],
            ProgramRules.Problems(ManifestSet.Parse(wrong)));
    }

    [Fact]
    public async Task A_node_proxy_that_does_not_start_without_a_Secret_is_refused()
    {
        var set = await new Installation("default").Build();
        var proxy = set.Manifests.Single(manifest => manifest.Name == "DaemonSet kuik-node-proxy").Yaml;
        const string Required = "          secretName: kuik-credentials";
        var wrong = ManifestSet.Parse(proxy.Replace($"          optional: true\n{Required}", Required, StringComparison.Ordinal));

        Assert.Contains(
            "DaemonSet kuik-node-proxy does not start without the Secret kuik-credentials, and its node then pulls nothing",
            PodRules.Problems(wrong));
        Assert.DoesNotContain(
            PodRules.Problems(ManifestSet.Parse(proxy)), problem => problem.Contains("does not start", StringComparison.Ordinal));
    }

    [Fact]
    public void A_field_that_Kubernetes_does_not_know_is_refused()
    {
        var wrong = Assert.Throws<FormatException>(() => ManifestSet.Parse(
            """
            apiVersion: v1
            kind: Service
            metadata:
              name: kuik-registry
            spec:
              port: 5000
            """));

        Assert.Contains("port", wrong.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_kind_that_Kubernetes_does_not_know_is_refused() =>
        Assert.Throws<FormatException>(() => ManifestSet.Parse("apiVersion: apps/v1\nkind: Deploymint\nmetadata:\n  name: kuik-webhook\n"));

    // Those that AccessRightsTests of Kuik.IntegrationTests compares with the calls that are made.
    private static IReadOnlyList<string> Rights(ManifestSet set) =>
    [
        .. set.Manifests.Where(manifest => manifest.Kind.Contains("Role", StringComparison.Ordinal)).Select(manifest => manifest.Yaml)
        .Order(),
    ];

    internal static IReadOnlyList<string> Problems(ManifestSet set) =>
        [.. CombinationRules.Problems(set), .. ReferenceRules.Problems(set), .. PodRules.Problems(set), .. SettingRules.Problems(set)];
}
