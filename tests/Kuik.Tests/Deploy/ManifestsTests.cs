using k8s.Models;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Deploy;

/// <summary>
/// deploy/kustomize as kubectl builds it: every overlay, and every component alone on the default one. Unknown fields, names that lead
/// nowhere and contradictions are refused. <c>make manifests-check DIR=…</c> checks a kustomization of your own as well.
/// </summary>
public sealed class ManifestsTests
{
    private static readonly string[] SourceFolders = ["services", "shared"];

    private static readonly Lazy<Task<ManifestSet>> Default = new(() => new Installation("default").Build());

    public static TheoryData<string> Overlays => [.. Installation.Overlays];

    public static TheoryData<string> Components => [.. Installation.AllComponents];

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task Every_overlay_builds_and_is_sound(string overlay)
    {
        var set = await new Installation(overlay).Build();

        Assert.Empty(Problems(set));
        Assert.Equal(Rights(await Default.Value), Rights(set));
    }

    [Theory]
    [MemberData(nameof(Components))]
    public async Task Every_component_alone_builds_and_is_sound(string component)
    {
        var set = await new Installation("default", component).Build();

        Assert.Empty(Problems(set));
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

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task Every_setting_of_an_overlay_is_one_that_a_service_reads(string overlay)
    {
        var set = await new Installation(overlay).Build();
        var source = string.Concat(SourceFolders.Select(folder => Path.Combine(Checkout.Root, folder))
            .SelectMany(folder => Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories)).Select(File.ReadAllText));

        var variables = set.Pods.SelectMany(pods => pods.Containers).SelectMany(container => container.Env ?? []);
        var settings = variables.Select(variable => variable.Name).Concat(set.All<V1ConfigMap>().SelectMany(map => map.Data.Keys))
            .Select(name => name.Replace("__", ":", StringComparison.Ordinal))
            .Where(name => name.StartsWith("Kuik:", StringComparison.Ordinal));

        Assert.DoesNotContain(settings, setting => !source.Contains($"\"{setting}\"", StringComparison.Ordinal));
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
        [.. set.Manifests.Where(manifest => manifest.Kind.Contains("Role", StringComparison.Ordinal)).Select(manifest => manifest.Yaml).Order()];

    internal static IReadOnlyList<string> Problems(ManifestSet set) =>
        [.. CombinationRules.Problems(set), .. ReferenceRules.Problems(set), .. PodRules.Problems(set)];
}
