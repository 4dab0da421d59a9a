using System.Diagnostics;
using Kuik.Testing;

namespace Kuik.Bench.Pull;

/// <summary>node-proxy as it is published and runs on nodes.</summary>
internal static class StartPublished
{
    private static readonly string Program = Path.Combine(Checkout.Root, "artifacts/publish/NodeProxy/release/Kuik.NodeProxy");

    /// <summary>Starts one before a store.</summary>
    /// <returns>It, where it tells its metrics, and how long it took to the first answer, in seconds.</returns>
    public static async Task<(PullServer Server, Uri Metrics, double FirstAnswer)> NodeProxy(PullServer store)
    {
        var (port, metrics) = (FreePort.Next(), new Uri($"http://127.0.0.1:{FreePort.Next()}/metrics"));
        var folder = Sandbox.Shared.NewFolder("node-proxy");
        using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}/") };
        var begun = Stopwatch.GetTimestamp();
        var process = ServerProcess.Start(Sandbox.Shared, "node-proxy", folder, new ServerCommand(Program)
        {
            Environment =
            {
                ["DOTNET_hostBuilder__reloadConfigOnChange"] = "false",
                ["Kuik__Proxy__Port"] = $"{port}",
                ["Kuik__Metrics__Urls"] = metrics.GetLeftPart(UriPartial.Authority),
                ["Kuik__Cache__ReadEndpoint"] = store.Endpoint.AbsoluteUri,
            },
        });
        var answer = 0d;
        while (answer == 0 && !process.HasExited)
            answer = await Answers(client) ? Stopwatch.GetElapsedTime(begun).TotalSeconds : 0;
        return answer > 0
            ? (new PullServer(Results.Kuik, client.BaseAddress, process), metrics, answer)
            : throw process.Failed("ended at once");
    }

    // ServerProcess.WaitUntil asks every 25 ms: too coarse here.
    private static async Task<bool> Answers(HttpClient client)
    {
        try
        {
            using var answer = await client.GetAsync(new Uri("/v2/", UriKind.Relative));
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            await Task.Delay(1);
            return false;
        }
    }
}
