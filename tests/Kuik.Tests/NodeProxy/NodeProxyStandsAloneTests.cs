using System.Text.Json;
using Xunit;

namespace Kuik.Tests.NodeProxy;

/// <summary>The data plane needs no database, no bus and no Kubernetes: not even their libraries are beside it.</summary>
public sealed class NodeProxyStandsAloneTests
{
    [Fact]
    public void Nothing_of_the_control_plane_is_published_with_it()
    {
        var libraries = Libraries();

        Assert.DoesNotContain(libraries, library => Forbidden.Any(name => library.StartsWith(name, StringComparison.OrdinalIgnoreCase)));
    }

    [Fact]
    public void Of_our_own_assemblies_it_has_contracts_registries_and_hosting() => Assert.Equal(
        ["Kuik.Contracts", "Kuik.Hosting", "Kuik.NodeProxy", "Kuik.Oci"],
        Libraries().Where(name => name.StartsWith("Kuik", StringComparison.Ordinal)).Order());

    private static readonly string[] Forbidden = ["MassTransit", "Marten", "JasperFx", "Npgsql", "KubernetesClient", "RabbitMQ"];

    // Every assembly that the built service would load, packages of packages included: artifacts/bin/NodeProxy/CONFIGURATION beside this
    // very folder.
    private static IReadOnlyList<string> Libraries()
    {
        var own = new DirectoryInfo(AppContext.BaseDirectory);
        using var needed = JsonDocument.Parse(
            File.ReadAllBytes(Path.Combine(own.Parent!.Parent!.FullName, "NodeProxy", own.Name, "Kuik.NodeProxy.deps.json")));
        return
        [
            .. needed.RootElement.GetProperty("targets").EnumerateObject().First().Value.EnumerateObject()
                .SelectMany(library => library.Value.TryGetProperty("runtime", out var files)
                    ? files.EnumerateObject().Select(file => Path.GetFileNameWithoutExtension(file.Name))
                    : [])
                .Distinct(),
        ];
    }
}
