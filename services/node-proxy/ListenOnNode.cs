using System.Net;
using System.Net.Sockets;
using Kuik.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Kuik.NodeProxy;

/// <summary>Marks a connection that came in on a pull port, as opposed to the one for health and metrics.</summary>
internal sealed class PullConnection;

/// <summary>Where node-proxy listens: the node's own loopback, both families, on every pull port; health and metrics apart.</summary>
internal static partial class ListenOnNode
{
    public static void Configure(WebApplicationBuilder builder, ProxySettings settings)
    {
        var metrics = settings.MetricsUrls.Select(ReadUrl).ToList();
        builder.WebHost.UseSockets(sockets => sockets.MaxWriteBufferSize = RelayBlob.Chunk);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 0;
            kestrel.Limits.MaxRequestLineSize = 4 << 10;
            kestrel.ConfigureEndpointDefaults(listen => listen.Protocols = HttpProtocols.Http1);
            var logger = kestrel.ApplicationServices.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(ListenOnNode));
            var hasIPv6 = HasIPv6Loopback();
            if (!hasIPv6)
                SayNoIPv6(logger);
            foreach (var port in settings.OwnPorts)
            {
                kestrel.Listen(IPAddress.Loopback, port, MarkPulls);
                if (hasIPv6)
                    kestrel.Listen(IPAddress.IPv6Loopback, port, MarkPulls);
            }
            foreach (var (address, port) in metrics)
                kestrel.Listen(address, port);
        });
    }

    private static void MarkPulls(ListenOptions listen) => listen.Use(next => connection =>
    {
        connection.Features.Set(new PullConnection());
        return next(connection);
    });

    // A node may have IPv6 switched off, wholly or on its loopback; listening there would end the process.
    private static bool HasIPv6Loopback()
    {
        if (!Socket.OSSupportsIPv6)
            return false;
        try
        {
            using var probe = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp);
            probe.Bind(new IPEndPoint(IPAddress.IPv6Loopback, 0));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static (IPAddress Address, int Port) ReadUrl(string url)
    {
        const string accepted = "addresses such as http://127.0.0.1:7440 or http://*:7440";
        BindingAddress parsed;
        try
        {
            parsed = BindingAddress.Parse(url);
        }
        catch (FormatException)
        {
            throw new WrongSetting("Kuik:Metrics:Urls", url, accepted);
        }
        var host = parsed.Host.Trim('[', ']');
        var address = host is "*" or "+" ? (Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any) : host == "localhost" ? IPAddress.Loopback
            : IPAddress.TryParse(host, out var literal) ? literal : throw new WrongSetting("Kuik:Metrics:Urls", url, accepted);
        return parsed.Scheme == "http" ? (address, parsed.Port) : throw new WrongSetting("Kuik:Metrics:Urls", url, accepted);
    }

    [LoggerMessage(LogLevel.Warning, "this node has no ::1: pulls are answered on 127.0.0.1 only")]
    private static partial void SayNoIPv6(ILogger logger);
}
