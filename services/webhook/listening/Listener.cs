using System.Net;
using Kuik.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Kuik.Webhook;

/// <summary>The addresses of the webhook. Kubernetes calls webhooks by HTTPS only: an impostor could change any pod.</summary>
internal static class Listener
{
    /// <summary>Also listen without TLS at addresses other nodes can reach: only where something in front of it has TLS. True or false,
    /// default false.</summary>
    public const string AllowPlainHttp = "Kuik:Webhook:AllowPlainHttp";

    /// <summary>
    /// Connections at once: an API server opens one for each review under way, and keeps idle ones for a minute and a half. More are
    /// refused, so that idle ones cannot take all memory.
    /// </summary>
    private const int MostConnections = 1000;

    /// <summary>
    /// Slowest sender: 512 KiB a second after 2 seconds. An API server has given up by then (<c>timeoutSeconds: 2</c>), and a review that
    /// trickles in holds a place of <see cref="ReviewLimits"/>.
    /// </summary>
    private static readonly MinDataRate SlowestSender = new(bytesPerSecond: 512 * 1024, gracePeriod: TimeSpan.FromSeconds(2));

    /// <summary>Takes the addresses of <c>Urls</c> (default <c>https://*:9443</c>) and, if one of them is HTTPS, the certificate that
    /// <see cref="ServingCertificate"/> reads.</summary>
    /// <exception cref="InvalidSettingException">An address is plain http and not this machine's own, or the certificate cannot be
    /// used.</exception>
    public static void Configure(WebApplicationBuilder builder)
    {
        var configuration = builder.Configuration;
        if (configuration.GetSection("Kestrel:Endpoints").Exists())
            throw new InvalidSettingException("Kestrel:Endpoints", "set", "absent: the webhook's addresses are those of Urls");
        configuration["Urls"] ??= "https://*:9443";
        var addresses = configuration["Urls"]!.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(BindingAddress.Parse).ToList();
        CheckPlainHttp(addresses, configuration.Read(AllowPlainHttp, false, "true or false"));

        // Kestrel would read its own section too, and end every connection when a certificate changes.
        builder.WebHost.UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => kestrel.Configure(new ConfigurationBuilder().Build()));
        builder.WebHost.ConfigureKestrel(Limit);
        if (addresses.Exists(address => IsScheme(address, "https")))
            ServeWith(ServingCertificate.From(configuration), builder);
    }

    private static void Limit(KestrelServerOptions kestrel)
    {
        // By HTTP/2 an API server sends everything to one replica on one connection, and notices only after its ping timeout that the
        // node behind it is gone.
        kestrel.ConfigureEndpointDefaults(listen => listen.Protocols = HttpProtocols.Http1);
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestBodySize = ReviewLimits.LargestBody;
        kestrel.Limits.MaxConcurrentConnections = MostConnections;
        kestrel.Limits.MinRequestBodyDataRate = SlowestSender;
        kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(5);
    }

    private static void ServeWith(ServingCertificate certificate, WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton(certificate);
        builder.Services.AddHostedService<CertificateReloader>();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ConfigureHttpsDefaults(https =>
        {
            // Kestrel requires one; the served one is selected for each connection:
            https.ServerCertificate = certificate.Current.TargetCertificate;
            https.OnAuthenticate = (_, tls) => tls.ServerCertificateContext = certificate.Current;
        }));
    }

    private static void CheckPlainHttp(IEnumerable<BindingAddress> addresses, bool isAllowed)
    {
        if (!isAllowed && addresses.FirstOrDefault(address => IsScheme(address, "http") && !IsOfThisMachine(address)) is { } open)
            throw new InvalidSettingException("Urls", open.ToString(),
                $"https where others can reach it: plain http is taken on loopback only, or with {AllowPlainHttp}=true");
    }

    private static bool IsScheme(BindingAddress address, string scheme) =>
        address.Scheme.Equals(scheme, StringComparison.OrdinalIgnoreCase);

    private static bool IsOfThisMachine(BindingAddress address) =>
        address.IsUnixPipe
        || address.Host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(address.Host, out var ip) && IPAddress.IsLoopback(ip));
}
