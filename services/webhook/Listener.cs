using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Kuik.Hosting;

namespace Kuik.Webhook;

/// <summary>Where the webhook listens. Kubernetes calls webhooks by HTTPS only, with a certificate from Kestrel's own settings.</summary>
internal static class Listener
{
    private const string Certificate = "Kestrel:Certificates:Default";

    /// <summary>Sets the default address, and checks the certificate that an HTTPS address needs while an error can still be one line.</summary>
    /// <exception cref="WrongSetting">There is no certificate, or it cannot be read.</exception>
    public static void Configure(WebApplicationBuilder builder)
    {
        var configuration = builder.Configuration;
        if (configuration.GetSection("Kestrel:Endpoints").Exists())
            return;   // whoever configures endpoints one by one names a certificate for each
        configuration["Urls"] ??= "https://*:9443";
        if (configuration["Urls"]!.Contains("https://", StringComparison.OrdinalIgnoreCase))
            CheckCertificate(configuration);
    }

    private static void CheckCertificate(ConfigurationManager configuration)
    {
        var path = configuration.ReadRequired($"{Certificate}:Path", "the file of the certificate that HTTPS needs");
        if (configuration[$"{Certificate}:KeyPath"] is not { Length: > 0 } keyPath)
            return;   // a .pfx with a password: Kestrel reads it
        try
        {
            using var certificate = X509Certificate2.CreateFromPemFile(path, keyPath);
        }
        catch (Exception wrong) when (wrong is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new WrongSetting($"{Certificate}:Path", $"{path}, {keyPath}", $"a PEM file and its key ({wrong.Message})");
        }
    }
}
