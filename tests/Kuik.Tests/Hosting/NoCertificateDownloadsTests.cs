using System.Text.Json;
using Xunit;

namespace Kuik.Tests.Hosting;

/// <summary>
/// TLS clients that libraries make (Kubernetes, Npgsql, RabbitMQ, OTLP) have no option for it: the runtime is told for the whole process.
/// </summary>
public sealed class NoCertificateDownloadsTests
{
    [Theory]
    [InlineData("Webhook")]
    [InlineData("NodeProxy")]
    [InlineData("ImageFetcher")]
    [InlineData("PodWatcher")]
    [InlineData("Expiry")]
    public void No_TLS_client_of_a_service_downloads_certificates(string service)
    {
        var own = new DirectoryInfo(AppContext.BaseDirectory);   // artifacts/bin/PROJECT/CONFIGURATION
        var file = Path.Combine(own.Parent!.Parent!.FullName, service, own.Name, $"Kuik.{service}.runtimeconfig.json");
        using var config = JsonDocument.Parse(File.ReadAllBytes(file));

        var options = config.RootElement.GetProperty("runtimeOptions").GetProperty("configProperties");
        var limit = options.GetProperty("System.Security.Cryptography.AiaDownloadLimit");

        Assert.Equal(0, limit.GetInt32());
    }
}
