using System.Diagnostics;
using System.Net.Sockets;
using Kuik.Contracts;
using Kuik.Testing;

namespace Kuik.Run;

/// <summary>A running Kuik and the image of the demonstration.</summary>
/// <param name="Kuik">All of its parts.</param>
/// <param name="Origin">A registry that holds images built here.</param>
/// <param name="Image">The image as a pod names it.</param>
/// <param name="IsOurs">False for an image of the internet, whose registry cannot be stopped from here.</param>
internal sealed record Started(WholeKuik Kuik, Registry Origin, string Image, bool IsOurs)
{
    /// <summary>The namespace of its pods.</summary>
    public const string Namespace = "demo";

    /// <summary>Short, to see an image expire.</summary>
    public const string ExpiryDelay = "00:02:00";

    /// <summary>The image's address at node-proxy.</summary>
    public string Local =>
        LocalReference.TryWrite(Image, Kuik.NodeProxy.Port, out var local, out var problem) ? local : throw new ServerFailedException($"{Image}: {problem}");
}

/// <summary>Starts everything, with a line before each step that takes a while.</summary>
internal static class StartAll
{
    /// <exception cref="ServerFailedException">A part does not start, or node-proxy's port is in use.</exception>
    public static async Task<Started> Run(RunState runState)
    {
        var clock = Stopwatch.StartNew();
        var port = ProxyPort();
        var ofInternet = ImageOfInternet();
        var sandbox = runState.NewSandbox();

        Progress("starting an origin registry with a two-platform image, built here");
        var origin = await Registry.Start(new RegistryOptions { Name = "origin", Sandbox = sandbox });
        await origin.Push("demo/web", "1.0", TestIndex.Runnable(seed: 1, size: 20_000_000));
        await origin.Push("demo/api", "1.0", TestIndex.Runnable(seed: 2, size: 5_000_000));
        var image = ofInternet ?? $"{origin.Host}/demo/web:1.0";

        var kuik = await WholeKuik.Start(new WholeKuikOptions
        {
            Sandbox = sandbox,
            Progress = Progress,
            ProxyPort = port,
            PlainHttpRegistries = [$"http://{origin.Host}"],
            ImageFetchers = 2,
            Settings = new Dictionary<string, string?>
            {
                ["Kuik:ExpiryDelay"] = Started.ExpiryDelay,
                ["Kuik:SweepInterval"] = "00:00:05",
                ["Kuik:Webhook:IgnorePullPolicyAlways"] = "true",
            },
        });
        await kuik.Kubernetes.NewNamespace(Started.Namespace);
        Progress("everything is up");
        return new Started(kuik, origin, image, ofInternet is null);

        void Progress(string step) => Console.WriteLine($"{clock.Elapsed.TotalSeconds,6:0.0} s  {step}");
    }

    private static string? ImageOfInternet()
    {
        var image = Environment.GetEnvironmentVariable("ORIGIN_IMAGE");
        if (string.IsNullOrEmpty(image))
            return null;
        return ImageReference.TryParse(image, out _, out var problem) ? image : throw new ServerFailedException($"ORIGIN_IMAGE={image} is not an image reference: {problem}");
    }

    private static int ProxyPort()
    {
        var port = int.TryParse(Environment.GetEnvironmentVariable("KUIK_PROXY_PORT"), out var chosen) ? chosen : 7439;
        try
        {
            using var probe = new TcpListener(System.Net.IPAddress.Loopback, port);
            probe.Start();
            return port;
        }
        catch (SocketException)
        {
            throw new ServerFailedException($"port {port}, where pods pull, is taken by another process; end that one, or choose another: KUIK_PROXY_PORT=7440 make run");
        }
    }
}
