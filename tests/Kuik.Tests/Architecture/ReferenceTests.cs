using System.Text.Json.Nodes;
using Xunit;

namespace Kuik.Tests.Architecture;

/// <summary>
/// The references of assemblies, read from build output: an assembly's .deps.json lists all of its dependencies, direct or not.
/// </summary>
public sealed class ReferenceTests
{
    /// <summary>The event log, the bus, the database and Kubernetes, by the packages that bring them.</summary>
    private static readonly string[] ControlPlaneOnly = ["MassTransit", "RabbitMQ.Client", "Marten", "JasperFx", "Weasel.Core", "Npgsql",
        "KubernetesClient", "Kuik.EventLog", "Kuik.Kubernetes"];

    private static readonly string[] ControlPlane = ["PodWatcher", "ImageFetcher", "Expiry"];

    [Theory]
    [InlineData("Webhook")]
    [InlineData("NodeProxy")]
    [InlineData("CopyEngine")]
    [InlineData("Contracts")]
    [InlineData("Oci")]
    [InlineData("Hosting")]
    public void The_data_plane_and_its_libraries_reference_no_database_no_bus_and_no_Kubernetes(string project) =>
        Assert.DoesNotContain(Closure(project),
            package => ControlPlaneOnly.Any(one => package == one || package.StartsWith(one + ".", StringComparison.Ordinal)));

    [Fact]
    public void Contracts_references_nothing_but_the_framework() => Assert.Equal(["Kuik.Contracts"], Closure("Contracts"));

    [Fact]
    public void Only_services_of_the_control_plane_reference_the_event_log_or_Kubernetes()
    {
        var referencing = Projects("services").Where(project => Closure(project).Overlaps(["Kuik.EventLog", "Kuik.Kubernetes"]));

        Assert.Equal(ControlPlane.Order(), referencing.Order());
    }

    [Fact]
    public void No_service_references_another_one()
    {
        var services = Projects("services").ToDictionary(project => project, Assembly);

        // The copy engine is the part of image-fetcher that has to work without a database: an assembly of its own, but no other service.
        Assert.All(services,
            service => Assert.Empty(Closure(service.Key).Intersect(services.Values)
                .Except([service.Value, "Kuik.ImageFetcher.CopyEngine"])));
        Assert.All(services.Keys.Except(["ImageFetcher", "CopyEngine"]),
            service => Assert.DoesNotContain("Kuik.ImageFetcher.CopyEngine", Closure(service)));
    }

    [Fact]
    public void Nothing_in_shared_references_a_service()
    {
        var services = Projects("services").Select(Assembly).ToHashSet();

        Assert.All(Projects("shared"), project => Assert.Empty(Closure(project).Intersect(services)));
    }

    private static HashSet<string> Closure(string project)
    {
        var dependencies = JsonNode.Parse(File.ReadAllText(DependencyFile(project)))!;
        var libraries = dependencies["targets"]!.AsObject().Single().Value!.AsObject().Select(library => library.Key.Split('/')[0]);
        // an assembly listed a second time, under this name
        return [.. libraries.Where(library => !library.EndsWith(".Reference", StringComparison.Ordinal))];
    }

    private static string Assembly(string project) => Path.GetFileName(DependencyFile(project))[..^".deps.json".Length];

    // artifacts/bin/PROJECT/CONFIGURATION, beside the folder that this runs from.
    private static string DependencyFile(string project)
    {
        var own = new DirectoryInfo(AppContext.BaseDirectory);
        var folder = Path.Combine(own.Parent!.Parent!.FullName, project, own.Name);
        return Assert.Single(Directory.GetFiles(folder, "*.deps.json"));
    }

    private static IEnumerable<string> Projects(string folder) =>
        Directory.GetFiles(Path.Combine(Kuik.Testing.Checkout.Root, folder), "*.csproj", SearchOption.AllDirectories)
            .Select(file => Path.GetFileNameWithoutExtension(file)!);
}
