using System.Collections.Concurrent;
using Kuik.Contracts;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>
/// A copy engine as image-fetcher hosts it, in this process, on real registries. Credentials, the repository lock and the record of pulls,
/// which the service takes from Kubernetes and Postgres, are lists here: these tests are about what the engine does with them.
/// </summary>
public sealed class StartEngine : IAsyncDisposable
{
    private static readonly ConcurrentDictionary<string, SemaphoreSlim> Locks = new();

    private readonly WebApplication app;

    private StartEngine(WebApplication app) => this.app = app;

    public Uri Endpoint { get; private init; } = null!;

    public ImageCopier ImageCopier => app.Services.GetRequiredService<ImageCopier>();

    public TagEviction TagEviction => app.Services.GetRequiredService<TagEviction>();

    public RepositorySweeper RepositorySweeper => app.Services.GetRequiredService<RepositorySweeper>();

    /// <summary>The credentials for origins.</summary>
    public ConcurrentQueue<RegistryCredential> Credentials { get; } = new();

    /// <summary>Thrown when credentials are looked for; null for none.</summary>
    public Exception? Fault { get; set; }

    /// <summary>Asked right before each write under a repository's lock: whether the lock has been lost by then. Null: never.</summary>
    public Func<bool>? LosesLocks { get; set; }

    /// <summary>When a garbage collection of the cache, for which writers wait, is over. Default: it is.</summary>
    public Task CollectionEnds { get; set; } = Task.CompletedTask;

    /// <summary>The images that the engine reported as pulled through.</summary>
    public ConcurrentQueue<string> Pulls { get; } = new();

    public string SpoolPath { get; private init; } = null!;

    /// <summary>Starts one.</summary>
    /// <param name="cache">Where it keeps images.</param>
    /// <param name="origins">Reached by plain HTTP.</param>
    /// <param name="port">Default any.</param>
    /// <param name="settings">Further ones.</param>
    public static Task<StartEngine> Run(Registry cache, IEnumerable<string> origins, int? port = null,
        params (string Key, string Value)[] settings) =>
        RunAt(TimeProvider.System, cache, origins, port, settings);

    /// <summary>Starts one with a clock of its own; the rest is as for <see cref="Run"/>.</summary>
    public static async Task<StartEngine> RunAt(TimeProvider time, Registry cache, IEnumerable<string> origins, int? port = null,
        params (string Key, string Value)[] settings)
    {
        StartEngine? engine = null;
        var own = port ?? FreePort.Next();
        var spool = Sandbox.Shared.NewFolder("spool");
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls($"http://127.0.0.1:{own}");
        builder.Configuration.AddInMemoryCollection(
        [
            new("Kuik:Cache:Endpoint", cache.Endpoint.ToString()),
            new("Kuik:Fetch:SpoolPath", spool),
            new("Kuik:Fetcher:Name", $"127.0.0.1:{own}"),   // so that tests know which replica owns what
            new("Kuik:Fetch:DrainLimit", "00:00:02"),
            .. origins.Select((host, i) => KeyValuePair.Create($"Kuik:InsecureRegistries:{i}", (string?)$"http://{host}")),
        ]);
        builder.Configuration.AddInMemoryCollection(settings.Select(s => KeyValuePair.Create(s.Key, (string?)s.Value)));
        builder.Services.AddSingleton(time);
        builder.Services.AddCopyEngine(builder.Configuration, _ => new CopyEngineHooks(
            (_, _) => engine!.Fault is { } fault
                ? throw fault
                : Task.FromResult<IReadOnlyList<RegistryCredential>>([.. engine.Credentials]),
            async (repository, stop) => await engine!.Lock($"{cache.Host} {repository}", stop),
            (image, _) =>
            {
                engine!.Pulls.Enqueue(image.ToString());
                return Task.CompletedTask;
            })
        {
            ShareCache = async (_, stop) =>
            {
                await engine!.CollectionEnds.WaitAsync(stop);
                return new Shared();
            },
        });
        var app = builder.Build();
        app.MapPullThrough();
        engine = new StartEngine(app) { Endpoint = new Uri($"http://127.0.0.1:{own}/"), SpoolPath = spool };
        await app.StartAsync();
        return engine;
    }

    /// <summary>Copies an image and gives what came of it.</summary>
    public Task<CopiedImage> Copy(string name) => ImageCopier.Copy(ImageReference.Parse(name), TestContext.Current.CancellationToken);

    /// <summary>A client of its pull-through.</summary>
    public HttpClient Client() => new() { BaseAddress = Endpoint };

    /// <summary>Stops the service as SIGTERM does.</summary>
    public Task StopGracefully() => app.StopAsync();

    /// <summary>Asks the other replicas for their names, as the first request would.</summary>
    public Task LearnNames() => app.Services.GetRequiredService<Engine>().Replicas.All(TestContext.Current.CancellationToken);

    /// <summary>The owner of a digest, or of a repository's manifests, among some replicas by their ports.</summary>
    public static int OwnerOf(string key, params int[] ports) =>
        RendezvousRing.Rank(key,
            ports.Select(port => new Uri($"http://127.0.0.1:{port}")).Select(address => new Replica(address, address.Authority)))[0]
                .Address.Port;

    public async ValueTask DisposeAsync()
    {
        await app.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private async Task<IHeldLock> Lock(string repository, CancellationToken ct)
    {
        var semaphore = Locks.GetOrAdd(repository, _ => new SemaphoreSlim(1));
        await semaphore.WaitAsync(ct);
        return new Release(this, semaphore);
    }

    private sealed class Shared : IHeldLock
    {
        public bool ExcludesOthers => true;

        public Task EnsureHeld(CancellationToken ct) => Task.CompletedTask;

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    private sealed class Release(StartEngine engine, SemaphoreSlim semaphore) : IHeldLock
    {
        public bool ExcludesOthers => true;

        public Task EnsureHeld(CancellationToken ct) => engine.LosesLocks?.Invoke() == true
            ? throw new LockLostException("the lock was lost") : Task.CompletedTask;

        public ValueTask DisposeAsync()
        {
            semaphore.Release();
            return ValueTask.CompletedTask;
        }
    }
}
