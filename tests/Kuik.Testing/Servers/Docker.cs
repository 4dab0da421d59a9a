using System.Net.Sockets;

namespace Kuik.Testing;

/// <summary>Whether containers can be started here.</summary>
public static class Docker
{
    private static readonly Lazy<bool> Answer = new(Ask);

    /// <summary>True when a Docker engine answers: the one that <c>DOCKER_HOST</c> names, else the one on its usual socket.</summary>
    public static bool IsThere => Answer.Value;

    private static bool Ask()
    {
        if (Environment.GetEnvironmentVariable("DOCKER_HOST") is { Length: > 0 } host && !host.StartsWith("unix://", StringComparison.Ordinal))
            return true;   // Testcontainers says what is wrong with it
        var path = Environment.GetEnvironmentVariable("DOCKER_HOST") is { Length: > 0 } named ? named["unix://".Length..] : "/var/run/docker.sock";
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
