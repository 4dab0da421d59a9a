using Kuik.ImageFetcher;
using Kuik.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Kuik.Tests.ImageFetcher;

/// <summary>The health of the cache registry as the service wires it: by the rules by which the copy engine reaches it.</summary>
public sealed class CacheHealthTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("kuik-health-").FullName;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData(200)]
    [InlineData(401)]
    public async Task A_cache_whose_authority_is_named_is_healthy(int status)
    {
        var authority = new CertificateAuthority("Corp Root");
        await using var registry = await ScriptedOrigin.Start(authority.Issue("CN=cache", "127.0.0.1"));
        registry.Script = _ => Misbehave.Answer(status);

        Assert.Equal(HealthStatus.Healthy, (await Check($"https://{registry.Host}", authority)).Status);
    }

    [Fact]
    public async Task A_cache_with_another_certificate_is_degraded_and_the_reason_is_told()
    {
        await using var impostor = await ScriptedOrigin.Start(new CertificateAuthority("impostor").Issue("CN=cache", "127.0.0.1"));
        impostor.Script = _ => Misbehave.Answer(200);

        var health = await Check($"https://{impostor.Host}", new CertificateAuthority("Corp Root"));

        Assert.Equal(HealthStatus.Degraded, health.Status);
        Assert.Contains("the certificate of CN=impostor is not trusted", health.Description, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cache_that_redirects_is_degraded_as_no_upload_follows()
    {
        await using var other = await ScriptedOrigin.Start();
        other.Script = _ => Misbehave.Answer(200);
        await using var registry = await ScriptedOrigin.Start();
        registry.Script = _ => Misbehave.Answer(308, ("Location", $"http://{other.Host}/v2/"));

        var health = await Check($"http://{registry.Host}", new CertificateAuthority("Corp Root"));

        Assert.Equal(HealthStatus.Degraded, health.Status);
        Assert.Contains("answers 308", health.Description, StringComparison.Ordinal);
    }

    private async Task<HealthReportEntry> Check(string cache, CertificateAuthority named)
    {
        var file = Path.Combine(folder, "ca.pem");
        await File.WriteAllTextAsync(file, named.Pem, Stop);
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Kuik:Cache:Endpoint"] = cache,
            ["Kuik:RootCertificateAuthorities"] = file,
        });
        builder.AddFetching();
        await using var services = builder.Services.BuildServiceProvider();
        var report = await services.GetRequiredService<HealthCheckService>().CheckHealthAsync(check => check.Name == "cache", Stop);
        return report.Entries["cache"];
    }
}
