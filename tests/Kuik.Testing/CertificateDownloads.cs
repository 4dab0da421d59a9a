using System.Net;
using System.Net.Sockets;

namespace Kuik.Testing;

/// <summary>
/// The address that certificates name for the download of their issuer's certificate (AIA), on a loopback port: it accepts every
/// connection, counts it and never answers. A fake, because no real server is silent on demand.
/// </summary>
public sealed class CertificateDownloads : IDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly List<Socket> connections = [];
    private int count;

    public CertificateDownloads()
    {
        listener.Start();
        Address = new Uri($"http://{listener.LocalEndpoint}/intermediate.crt");
        _ = Accept();
    }

    /// <summary>For <see cref="CertificateAuthority.DownloadAddress"/>.</summary>
    public Uri Address { get; }

    /// <summary>How many connections there have been.</summary>
    public int Count => Volatile.Read(ref count);

    public void Dispose()
    {
        listener.Dispose();
        lock (connections)
            connections.ForEach(connection => connection.Dispose());
    }

    private async Task Accept()
    {
        while (true)
        {
            try
            {
                var connection = await listener.AcceptSocketAsync();
                Interlocked.Increment(ref count);
                lock (connections)
                    connections.Add(connection);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;   // disposed
            }
        }
    }
}
