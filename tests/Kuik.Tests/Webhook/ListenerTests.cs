using Kuik.Hosting;
using Kuik.Testing;
using Kuik.Webhook;
using Microsoft.AspNetCore.Builder;
using Xunit;

namespace Kuik.Tests.Webhook;

/// <summary>Where the webhook agrees to listen.</summary>
public sealed class ListenerTests
{
    [Theory]
    [InlineData("http://127.0.0.1:8080")]
    [InlineData("http://127.1.2.3:8080;http://[::1]:8080")]
    [InlineData("http://localhost:8080")]
    [InlineData("http://unix:/run/webhook.sock")]
    [InlineData("http://*:8080", "--Kuik:Webhook:AllowPlainHttp=true")]
    public void Plain_http_is_taken_on_loopback_or_when_asked_for(string urls, params string[] more) =>
        Configure([$"--Urls={urls}", .. more]);

    [Theory]
    [InlineData("http://*:8080")]
    [InlineData("http://+:8080")]
    [InlineData("http://0.0.0.0:8080")]
    [InlineData("HTTP://[::]:8080")]
    [InlineData("http://10.1.2.3:8080")]
    [InlineData("http://webhook.example.com:8080")]
    [InlineData("http://127.0.0.1.example.com:8080")]
    [InlineData("http://127.0.0.1:8080; http://*:8081")]
    public void Plain_http_that_others_can_reach_is_refused(string urls)
    {
        var refused = Assert.Throws<InvalidSettingException>(() => Configure($"--Urls={urls}"));

        Assert.StartsWith("Urls: \"", refused.Message, StringComparison.Ordinal);
        Assert.EndsWith("plain http is taken on loopback only, or with Kuik:Webhook:AllowPlainHttp=true", refused.Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Kestrel:Endpoints", "--Kestrel:Endpoints:Http:Url=http://*:8080")]
    [InlineData("Kuik:Webhook:AllowPlainHttp", "--Urls=http://*:8080", "--Kuik:Webhook:AllowPlainHttp=maybe")]
    [InlineData("Kestrel:Certificates:Default:Path", "--Urls=https://*:9443")]
    [InlineData("Kestrel:Certificates:Default:Path")]
    [InlineData("Kestrel:Certificates:Default:Path", "--Kestrel:Certificates:Default:Path=/nowhere/tls.crt",
        "--Kestrel:Certificates:Default:KeyPath=/nowhere/tls.key")]
    [InlineData("Kestrel:Certificates:Default:Path", "--Kestrel:Certificates:Default:Path=/etc/hostname")]
    public void A_wrong_setting_is_refused_by_its_key(string key, params string[] settings) =>
        Assert.StartsWith($"{key}: \"", Assert.Throws<InvalidSettingException>(() => Configure(settings)).Message,
            StringComparison.Ordinal);

    [Fact]
    public void A_key_of_another_certificate_is_refused_and_not_shown()
    {
        var authority = new CertificateAuthority("kuik-webhook");
        var (one, other) = (authority.Issue("CN=one", "127.0.0.1"), authority.Issue("CN=other", "127.0.0.1"));
        var (certificate, key) = (one with { Key = other.Key })
            .WriteTo(Directory.CreateTempSubdirectory("kuik-certificate-").FullName, "tls");

        var refused = Assert.Throws<InvalidSettingException>(() =>
            Configure($"--Kestrel:Certificates:Default:Path={certificate}", $"--Kestrel:Certificates:Default:KeyPath={key}"));
        Directory.Delete(Path.GetDirectoryName(key)!, recursive: true);

        Assert.Contains("a PEM file and its key", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(other.Key.Split('\n')[1], refused.Message, StringComparison.Ordinal);
    }

    private static void Configure(params string[] settings) => WebApplication.CreateSlimBuilder(settings).AddPodRewriting();
}
