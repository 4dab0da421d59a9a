using Xunit;

namespace Kuik.Tests.Architecture;

/// <summary>
/// The assemblies in a publish of the data plane, from the list of MSBuild's own publish targets (Directory.Build.targets). Native code is
/// compiled from these and the framework's.
/// </summary>
public sealed class PublishedTests
{
    private static readonly string[] Forbidden =
        ["MassTransit", "RabbitMQ", "Marten", "JasperFx", "Weasel", "Npgsql", "KubernetesClient", "Kuik.EventLog", "Kuik.Kubernetes"];

    [Fact]
    public void Webhook_is_published_with_these_assemblies_and_no_other() => Assert.Equal(
        [
            "Kuik.Contracts.dll",
            "Kuik.Hosting.dll",
            "Kuik.Webhook.dll",
            "OpenTelemetry.Api.ProviderBuilderExtensions.dll",
            "OpenTelemetry.Api.dll",
            "OpenTelemetry.Exporter.OpenTelemetryProtocol.dll",
            "OpenTelemetry.Exporter.Prometheus.AspNetCore.dll",
            "OpenTelemetry.Extensions.Hosting.dll",
            "OpenTelemetry.dll",
        ],
        Published("Webhook"));

    [Theory]
    [InlineData("Webhook")]
    [InlineData("NodeProxy")]
    public void No_bus_no_database_and_no_Kubernetes_client_is_published(string project)
    {
        var published = Published(project);

        Assert.Contains($"Kuik.{project}.dll", published);
        Assert.DoesNotContain(published, assembly => Forbidden.Any(one => assembly.StartsWith(one, StringComparison.OrdinalIgnoreCase)));
    }

    // artifacts/bin/PROJECT/CONFIGURATION, beside the folder that this runs from.
    private static IEnumerable<string> Published(string project)
    {
        var own = new DirectoryInfo(AppContext.BaseDirectory);
        var list = Path.Combine(own.Parent!.Parent!.FullName, project, own.Name, "published.txt");
        return File.ReadLines(list).Select(path => Path.GetFileName(path)).Where(file => file.EndsWith(".dll", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal);
    }
}
