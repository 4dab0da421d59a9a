using System.Net;
using System.Net.Sockets;
using DotNet.Testcontainers.Containers;

namespace Kuik.Testing;

/// <summary>The availability of containers.</summary>
public static class Docker
{
    private static readonly Lazy<bool> Answer = new(Ask);

    /// <summary>
    /// True when a Docker engine answers: the one in <c>DOCKER_HOST</c>, otherwise the one on its usual socket. False with
    /// <c>KUIK_TEST_DOCKER=no</c>: Debian's packages are used then.
    /// </summary>
    public static bool IsThere => Answer.Value;

    /// <summary>Starts a container.</summary>
    /// <exception cref="ServerFailedException">It does not start: the image cannot be pulled, for example.</exception>
    internal static async Task Start(IContainer container)
    {
        try
        {
            await container.StartAsync();
        }
        catch (Exception e)   // any exception of the engine or of Testcontainers: the message names the alternative
        {
            throw new ServerFailedException(
                $"Docker does not start {container.Image.FullName}: {e.Message} (KUIK_TEST_DOCKER=no does without Docker)");
        }
    }

    private static bool Ask()
    {
        if (Environment.GetEnvironmentVariable("KUIK_TEST_DOCKER") == "no")
            return false;
        var address = new Uri(Environment.GetEnvironmentVariable("DOCKER_HOST") is { Length: > 0 } named
            ? named
            : "unix:///var/run/docker.sock");
        var isLocal = address.Scheme == "unix";
        using var socket = isLocal
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Connect(isLocal ? new UnixDomainSocketEndPoint(address.AbsolutePath) : new DnsEndPoint(address.Host, address.Port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
