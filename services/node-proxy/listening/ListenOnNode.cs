using System.Net;
using System.Net.Sockets;
using Kuik.Hosting;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace Kuik.NodeProxy;

/// <summary>Where node-proxy listens: the node's own loopback, both families, or the addresses that are configured, on every pull port;
/// health and metrics apart.</summary>
internal static partial class ListenOnNode
{
    /// <summary>
    /// Open connections of one listener, beyond which new ones are closed: far more than the runtimes of a node ask for, and a bound on
    /// what a flood costs. Health has a listener of its own.
    /// </summary>
    private const int MostConnections = 4096;

    public static void Configure(WebApplicationBuilder builder, ProxyOptions options)
    {
        var metrics = options.MetricsUrls.Select(ReadUrl).ToList();
        builder.Services.AddSingleton<SocketHandover>();
        builder.Services.AddHostedService(services => services.GetRequiredService<SocketHandover>());
        // it would begin an activity for each request, only to log what RegistryRequestHandler does
        builder.Logging.AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.None);
        builder.WebHost.UseSockets(sockets =>
        {
            sockets.MaxWriteBufferSize = BlobRelay.HeldBack;
            sockets.UnsafePreferInlineScheduling = true;   // on the thread that received it: see Program.cs
        });
        builder.Services.AddOptions<SocketTransportOptions>()
            .Configure<SocketHandover>((sockets, socketHandover) => sockets.CreateBoundListenSocket = socketHandover.Bind);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = MostConnections;
            kestrel.Limits.MaxRequestBodySize = 0;
            kestrel.Limits.MaxRequestLineSize = 4 << 10;
            kestrel.Limits.MaxRequestHeadersTotalSize = 16 << 10;
            kestrel.Limits.MaxRequestHeaderCount = 64;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
            kestrel.ConfigureEndpointDefaults(listen => listen.Protocols = HttpProtocols.Http1);
            var logger = kestrel.ApplicationServices.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(ListenOnNode));
            var socketHandover = kestrel.ApplicationServices.GetRequiredService<SocketHandover>();
            var addresses = options.ListenAddresses.Count > 0 ? options.ListenAddresses : LoopbackAddresses(logger);
            foreach (var port in options.OwnPorts)
                foreach (var address in addresses)
                    kestrel.Listen(address, port, MarkPulls);
            foreach (var (address, port) in metrics)
                kestrel.Listen(address, port);   // last: an answer here means that the pull ports are open

            void MarkPulls(ListenOptions listen) => listen.Use(next => connection => Mark(connection, socketHandover, next));
        });
    }

    private static async Task Mark(ConnectionContext connection, SocketHandover socketHandover, ConnectionDelegate next)
    {
        var pulls = new PullConnection(socketHandover);
        connection.Features.Set(pulls);
        socketHandover.Arrived();
        try
        {
            await next(connection);
        }
        finally
        {
            pulls.Spoke();
        }
    }

    private static IReadOnlyList<IPAddress> LoopbackAddresses(ILogger logger)
    {
        if (HasIPv6Loopback())
            return [IPAddress.Loopback, IPAddress.IPv6Loopback];
        SayNoIPv6(logger);
        return [IPAddress.Loopback];
    }

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
            throw new InvalidSettingException("Kuik:Metrics:Urls", url, accepted);
        }
        var host = parsed.Host.Trim('[', ']');
        var address = host is "*" or "+"
            ? (Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any)
            : host == "localhost"
            ? IPAddress.Loopback
            : IPAddress.TryParse(host, out var literal) ? literal : throw new InvalidSettingException("Kuik:Metrics:Urls", url, accepted);
        return parsed.Scheme == "http" ? (address, parsed.Port) : throw new InvalidSettingException("Kuik:Metrics:Urls", url, accepted);
    }

    [LoggerMessage(LogLevel.Warning, "this node has no ::1: pulls are answered on 127.0.0.1 only")]
    private static partial void SayNoIPv6(ILogger logger);
}
