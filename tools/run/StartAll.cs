using System.Diagnostics;
using System.Net.Sockets;
using Kuik.Contracts;
using Kuik.Testing;

namespace Kuik.Run;

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
        return ImageReference.TryParse(image, out _, out var problem)
            ? image
            : throw new ServerFailedException($"ORIGIN_IMAGE={image} is not an image reference: {problem}");
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
            throw new ServerFailedException(
                $"port {port}, where pods pull, is taken by another process; end that one, or choose another: "
                + "KUIK_PROXY_PORT=7440 make run");
        }
    }
}
