using System.Collections.Concurrent;
using Kuik.Contracts;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Kuik.Bench.Copy;

/// <summary>
/// The copy engine as image-fetcher hosts it, in a process of its own that runs with image-fetcher's runtime settings, so that what it uses can be read from
/// /proc. Credentials and the repository lock, which the service takes from Kubernetes and Postgres, are none and one of this process.
/// </summary>
internal sealed class HostCopyEngine
{
    public const string Verb = "host-copy-engine";

    private static readonly ConcurrentDictionary<string, SemaphoreSlim> Locks = new();

    private readonly HttpClient http;

    private HostCopyEngine(ServerProcess process, HttpClient http) => (Process, this.http) = (process, http);

    public ServerProcess Process { get; }

    /// <summary>Runs one in this process; settings come from the environment.</summary>
    public static async Task Run()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddCopyEngine(builder.Configuration, _ => new CopyEngineNeeds(
            (_, _) => Task.FromResult<IReadOnlyList<RegistryCredential>>([]), Lock, (_, _) => Task.CompletedTask));
        var app = builder.Build();
        app.MapPullThrough();
        app.MapPost("/copy", async (HttpContext http, CopyImage engine, int atOnce) =>
        {
            using var body = new StreamReader(http.Request.Body);
            var names = (await body.ReadToEndAsync()).Split('\n');
            await Parallel.ForEachAsync(names, new ParallelOptions { MaxDegreeOfParallelism = atOnce }, async (name, stop) => await engine.Run(ImageReference.Parse(name), stop));
        });
        await app.RunAsync();
    }

    /// <summary>Starts one.</summary>
    /// <param name="cache">What it copies into.</param>
    /// <param name="origin">What it copies from, by plain HTTP.</param>
    /// <param name="blobsAtOnce"><c>Kuik:Fetch:MaxConcurrentBlobs</c>.</param>
    public static Task<HostCopyEngine> Start(Registry cache, Registry origin, int blobsAtOnce) =>
        Start(cache, FreePort.Next(), new Dictionary<string, string?>
        {
            ["Kuik__InsecureRegistries"] = $"http://{origin.Host}",
            ["Kuik__Fetch__MaxConcurrentBlobs"] = $"{blobsAtOnce}",
        });

    /// <summary>Starts replicas that know each other.</summary>
    /// <param name="cache">What they copy into.</param>
    /// <param name="origins">What they copy from, by plain HTTP.</param>
    /// <param name="count">How many.</param>
    public static async Task<IReadOnlyList<HostCopyEngine>> StartReplicas(Registry cache, IEnumerable<string> origins, int count)
    {
        var ports = Enumerable.Range(0, count).Select(_ => FreePort.Next()).ToList();
        var settings = origins.Select((host, i) => KeyValuePair.Create($"Kuik__InsecureRegistries__{i}", (string?)$"http://{host}"))
            .Concat(ports.Select((port, i) => KeyValuePair.Create($"Kuik__Fetcher__Peers__{i}", (string?)$"http://127.0.0.1:{port}")))
            .ToList();
        return await Task.WhenAll(ports.Select(port => Start(cache, port, settings)));
    }

    private static async Task<HostCopyEngine> Start(Registry cache, int port, IEnumerable<KeyValuePair<string, string?>> settings)
    {
        var folder = Sandbox.Shared.NewFolder(Verb);
        var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}/"), Timeout = TimeSpan.FromMinutes(20) };
        var own = new DirectoryInfo(AppContext.BaseDirectory);
        var runtime = Path.Combine(own.Parent!.Parent!.FullName, "ImageFetcher", own.Name, "Kuik.ImageFetcher.runtimeconfig.json");
        var command = new ServerCommand("dotnet", "exec", "--runtimeconfig", runtime, Path.Combine(own.FullName, "Kuik.Bench.dll"), Verb)
        {
            Environment =
            {
                ["ASPNETCORE_URLS"] = http.BaseAddress.ToString(),
                ["DOTNET_hostBuilder__reloadConfigOnChange"] = "false",
                ["Kuik__Cache__Endpoint"] = cache.Endpoint.ToString(),
                ["Kuik__Fetch__SpoolPath"] = Path.Combine(folder, "spool"),
            },
        };
        foreach (var (key, value) in settings)
            command.Environment[key] = value;
        var process = ServerProcess.Start(Sandbox.Shared, Verb, folder, command);
        await process.WaitUntil(async stop => (await http.GetAsync(new Uri("/", UriKind.Relative), stop)).StatusCode == System.Net.HttpStatusCode.NotFound);
        return new HostCopyEngine(process, http);
    }

    /// <summary>Reads a manifest or a blob to its end, asking again for as long as the engine says that it is working.</summary>
    /// <param name="path">Below <c>/v2/</c>.</param>
    /// <param name="stop">The client leaves.</param>
    /// <exception cref="ServerFailed">It answered something else.</exception>
    public async Task Pull(string path, CancellationToken stop)
    {
        while (true)
        {
            var address = new Uri("/v2/" + path, UriKind.Relative);
            using var answer = await http.GetAsync(address, HttpCompletionOption.ResponseHeadersRead, stop);
            if (answer.StatusCode == System.Net.HttpStatusCode.Accepted)
                continue;
            if (!answer.IsSuccessStatusCode)
                throw Process.Failed($"answered {(int)answer.StatusCode} to {path}");
            await answer.Content.CopyToAsync(Stream.Null, stop);
            return;
        }
    }

    /// <summary>Copies images, so many at a time; returns when all are in the cache.</summary>
    /// <exception cref="ServerFailed">One could not be copied.</exception>
    public async Task Copy(IEnumerable<string> names, int atOnce)
    {
        using var content = new StringContent(string.Join('\n', names));
        using var answer = await http.PostAsync(new Uri($"/copy?atOnce={atOnce}", UriKind.Relative), content);
        if (!answer.IsSuccessStatusCode)
            throw Process.Failed($"answered {(int)answer.StatusCode}");
    }

    /// <summary>Ends it.</summary>
    public async Task Stop()
    {
        await Process.Stop();
        http.Dispose();
    }

    private static async Task<IAsyncDisposable> Lock(string repository, CancellationToken stop)
    {
        var turn = Locks.GetOrAdd(repository, _ => new SemaphoreSlim(1));
        await turn.WaitAsync(stop);
        return new Release(turn);
    }

    private sealed class Release(SemaphoreSlim turn) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            turn.Release();
            return ValueTask.CompletedTask;
        }
    }
}
