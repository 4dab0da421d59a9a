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
/// The copy engine as image-fetcher hosts it, in a process of its own that runs with image-fetcher's runtime settings, so that what it uses
/// can be read from /proc. Credentials and the repository lock, which the service takes from Kubernetes and Postgres, are none and one of
/// this process.
/// </summary>
internal sealed class HostCopyEngine
{
    public const string Verb = "host-copy-engine";

    private static readonly ConcurrentDictionary<string, SemaphoreSlim> Locks = new();

    private HostCopyEngine(ServerProcess process, HttpClient http) => (Process, Http) = (process, http);

    public ServerProcess Process { get; }

    /// <summary>A client of it, for pulls.</summary>
    public HttpClient Http { get; }

    /// <summary>Runs one in this process; settings come from the environment.</summary>
    public static async Task Run()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddCopyEngine(builder.Configuration, _ => new CopyEngineHooks(
            (_, _) => Task.FromResult<IReadOnlyList<RegistryCredential>>([]), Lock, (_, _) => Task.CompletedTask));
        var app = builder.Build();
        app.MapPost("/copy", async (HttpContext http, ImageCopier engine, int atOnce) =>
        {
            using var body = new StreamReader(http.Request.Body);
            var names = (await body.ReadToEndAsync()).Split('\n');
            await Parallel.ForEachAsync(names, new ParallelOptions { MaxDegreeOfParallelism = atOnce },
                async (name, stop) => await engine.Copy(ImageReference.Parse(name), stop));
        });
        app.MapPullThrough();
        await app.RunAsync();
    }

    /// <summary>Starts one.</summary>
    /// <param name="cache">The registry that it copies into.</param>
    /// <param name="origins">Hosts it copies from, by plain HTTP.</param>
    /// <param name="blobsAtOnce"><c>Kuik:Fetch:MaxConcurrentBlobs</c>.</param>
    /// <param name="port">Default any.</param>
    /// <param name="more">Further settings, as environment variables.</param>
    public static async Task<HostCopyEngine> Start(
        Registry cache, IEnumerable<string> origins, int blobsAtOnce, int? port = null, params (string Key, string Value)[] more)
    {
        var folder = Sandbox.Shared.NewFolder(Verb);
        var address = new Uri($"http://127.0.0.1:{port ?? FreePort.Next()}/");
        var http = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromMinutes(20) };
        var own = new DirectoryInfo(AppContext.BaseDirectory);
        var runtime = Path.Combine(own.Parent!.Parent!.FullName, "ImageFetcher", own.Name, "Kuik.ImageFetcher.runtimeconfig.json");
        var command = new ServerCommand("dotnet", "exec", "--runtimeconfig", runtime, Path.Combine(own.FullName, "Kuik.Bench.dll"), Verb)
        {
            Environment =
            {
                ["ASPNETCORE_URLS"] = http.BaseAddress.ToString(),
                ["DOTNET_hostBuilder__reloadConfigOnChange"] = "false",
                ["Kuik__Cache__Endpoint"] = cache.Endpoint.ToString(),
                ["Kuik__InsecureRegistries"] = string.Join(',', origins.Select(origin => $"http://{origin}")),
                ["Kuik__Fetch__SpoolPath"] = Path.Combine(folder, "spool"),
                ["Kuik__Fetch__MaxConcurrentBlobs"] = $"{blobsAtOnce}",
            },
        };
        foreach (var (key, value) in more)
            command.Environment[key] = value;
        var process = ServerProcess.Start(Sandbox.Shared, Verb, folder, command);
        await process.WaitUntil(async stop => (await http.GetAsync(new Uri("/", UriKind.Relative), stop))
            .StatusCode == System.Net.HttpStatusCode.NotFound);
        return new HostCopyEngine(process, http);
    }

    /// <summary>Copies images, so many at a time; returns when all are in the cache.</summary>
    /// <exception cref="ServerFailedException">One could not be copied.</exception>
    public async Task Copy(IEnumerable<string> names, int atOnce)
    {
        using var content = new StringContent(string.Join('\n', names));
        using var answer = await Http.PostAsync(new Uri($"/copy?atOnce={atOnce}", UriKind.Relative), content);
        if (!answer.IsSuccessStatusCode)
            throw Process.Failed($"answered {(int)answer.StatusCode}");
    }

    /// <summary>Ends it.</summary>
    public async Task Stop()
    {
        await Process.Stop();
        Http.Dispose();
    }

    private static async Task<IHeldLock> Lock(string repository, CancellationToken ct)
    {
        var turn = Locks.GetOrAdd(repository, _ => new SemaphoreSlim(1));
        await turn.WaitAsync(ct);
        return new Release(turn);
    }

    private sealed class Release(SemaphoreSlim turn) : IHeldLock
    {
        public bool ExcludesOthers => true;

        public Task EnsureHeld(CancellationToken ct) => Task.CompletedTask;

        public ValueTask DisposeAsync()
        {
            turn.Release();
            return ValueTask.CompletedTask;
        }
    }
}
