using System.Net;
using Kuik.Hosting;

namespace Kuik.Webhook;

/// <summary>Where the webhook listens. Kubernetes calls webhooks by HTTPS only, and who could answer in its place could change any pod.</summary>
internal static class Listener
{
    /// <summary>Also listen without TLS at addresses other nodes can reach: only where something in front of it has TLS. True or false, default false.</summary>
    public const string AllowPlainHttp = "Kuik:Webhook:AllowPlainHttp";

    /// <summary>Takes the addresses of <c>Urls</c> (default <c>https://*:9443</c>) and, if one of them is HTTPS, the certificate that <see cref="ServingCertificate"/> reads.</summary>
    /// <exception cref="WrongSetting">An address is plain http and not this machine's own, or the certificate cannot be used.</exception>
    public static void Configure(WebApplicationBuilder builder)
    {
        var configuration = builder.Configuration;
        if (configuration.GetSection("Kestrel:Endpoints").Exists())
            throw new WrongSetting("Kestrel:Endpoints", "set", "absent: the webhook's addresses are those of Urls");
        configuration["Urls"] ??= "https://*:9443";
        var addresses = configuration["Urls"]!.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(BindingAddress.Parse).ToList();
        CheckPlainHttp(addresses, configuration.Read(AllowPlainHttp, false, "true or false"));

        // Kestrel would read its own section too, and end every connection when a certificate changes.
        builder.WebHost.UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => kestrel.Configure(new ConfigurationBuilder().Build()));
        if (addresses.Exists(address => IsScheme(address, "https")))
            ServeWith(ServingCertificate.Read(configuration), builder);
    }

    private static void ServeWith(ServingCertificate certificate, WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton(certificate);
        builder.Services.AddHostedService<ReloadCertificate>();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ConfigureHttpsDefaults(https =>
        {
            https.ServerCertificate = certificate.Current.TargetCertificate;   // Kestrel wants one; what is served is taken anew for each connection:
            https.OnAuthenticate = (_, tls) => tls.ServerCertificateContext = certificate.Current;
        }));
    }

    private static void CheckPlainHttp(IEnumerable<BindingAddress> addresses, bool isAllowed)
    {
        if (!isAllowed && addresses.FirstOrDefault(address => IsScheme(address, "http") && !IsOfThisMachine(address)) is { } open)
            throw new WrongSetting("Urls", open.ToString(), $"https where others can reach it: plain http is taken on loopback only, or with {AllowPlainHttp}=true");
    }

    private static bool IsScheme(BindingAddress address, string scheme) => address.Scheme.Equals(scheme, StringComparison.OrdinalIgnoreCase);

    private static bool IsOfThisMachine(BindingAddress address) =>
        address.IsUnixPipe
        || address.Host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(address.Host, out var ip) && IPAddress.IsLoopback(ip));
}
