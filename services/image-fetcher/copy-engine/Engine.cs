using System.Diagnostics.Metrics;
using Kuik.Hosting;
using Kuik.Oci;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>Makes the copy engine's parts known to a service.</summary>
public static class CopyEngineParts
{
    /// <summary>Adds <see cref="CopyImage"/> and <see cref="EvictImage"/>, and what <see cref="PullThrough.MapPullThrough"/> serves.</summary>
    /// <param name="services">The service's.</param>
    /// <param name="configuration">Read here, at once.</param>
    /// <param name="needs">What comes from outside.</param>
    /// <exception cref="Hosting.WrongSetting">A setting is not accepted.</exception>
    public static IServiceCollection AddCopyEngine(this IServiceCollection services, IConfiguration configuration, Func<IServiceProvider, CopyEngineNeeds> needs)
    {
        var settings = CopyEngineSettings.From(configuration);
        var endpoints = RegistryEndpoints.From(configuration);
        var network = RegistryNetwork.From(configuration) with { Denied = settings.Origins.DenialReason };
        services.AddSingleton(provider => new Engine(
            settings, time => new RegistryClient(endpoints, settings.Roots, time, network), needs(provider), provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<IMeterFactory>(), provider.GetRequiredService<ILoggerFactory>()));
        services.AddHostedService(provider => new EndEngine(provider.GetRequiredService<Engine>()));
        services.Configure<HostOptions>(host => host.ShutdownTimeout = settings.DrainLimit + Drain.LastSteps);
        services.AddHealthChecks()
            .Add(new HealthCheckRegistration("work", provider => provider.GetRequiredService<Engine>().Watchdog, failureStatus: null, [KuikDefaults.Live]))
            .Add(new HealthCheckRegistration("spool", provider => new SpoolHealth(provider.GetRequiredService<Engine>()), failureStatus: null, tags: null));
        services.AddSingleton(provider => provider.GetRequiredService<Engine>().CopyImage);
        services.AddSingleton(provider => provider.GetRequiredService<Engine>().EvictImage);
        services.AddSingleton(provider => provider.GetRequiredService<Engine>().SweepRepository);
        return services;
    }

    /// <inheritdoc cref="CopyEngineSettings.PortOf"/>
    public static string PortOf(IConfiguration configuration) => CopyEngineSettings.PortOf(configuration);
}

/// <summary>The engine's parts, put together.</summary>
internal sealed class Engine : IDisposable
{
    /// <summary>Downloads from origins at a time; a host from which there is none may always have one more.</summary>
    private const int MostDownloads = 128;

    /// <summary>The same from one host: fewer than its connections for bodies, so that none is waited for.</summary>
    private const int MostDownloadsPerHost = 48;

    private readonly CancellationTokenSource _stopping = new();
    private readonly RegistryClient _client;
    private readonly CacheRegistry _cache;
    private readonly SecretFile? _token;
    private readonly HttpMessageInvoker _peers;
    private readonly ManifestReadLimiter _manifestReads;

    public Engine(
        CopyEngineSettings settings, Func<TimeProvider, RegistryClient> client, CopyEngineNeeds needs, TimeProvider time, IMeterFactory meters, ILoggerFactory logs)
    {
        (Time, OriginRules) = (time, settings.Origins);
        var stopping = _stopping.Token;
        var metrics = new EngineMetrics(meters, time);
        Watchdog = new WorkWatchdog(time);
        metrics.Watch(Watchdog);
        _token = settings.TokenFile is { } file
            ? new SecretFile(FetcherToken.FileKey, file, SecretKind.Token, time, logs.CreateLogger<TokenAuthentication>())
            : null;
        _peers = new HttpMessageInvoker(new PeerTokenHandler(_token) { InnerHandler = new PeerConnections() });
        Authentication = new TokenAuthentication(_token, time, meters, logs.CreateLogger<TokenAuthentication>());
        _client = client(time);
        _cache = new CacheRegistry(settings, time);
        Spool = new Spool(settings.SpoolPath, settings.SpoolLimitInBytes, settings.LargestBlobInBytes, metrics, Watchdog, time, stopping);
        var limits = new RateLimits(time, meters);
        _client.Answered = limits.Saw;
        _manifestReads = new ManifestReadLimiter(time, metrics);
        var origins = new Origins(_client, needs.Credentials, limits) { Reads = _manifestReads, Rules = settings.Origins };
        var requests = new HostTurns(int.MaxValue, settings.MaxConcurrentPerHost);
        var downloads = new HostTurns(MostDownloads, MostDownloadsPerHost);
        Replicas = new ReplicaList(settings, _peers, time, logs.CreateLogger<ReplicaList>());
        Owners = new BlobOwners(Replicas, time, logs.CreateLogger<BlobOwners>());
        Ask = new AskOwner(_peers, Owners, time);
        PeerSpools = new PeerSpools(_peers, _client, Owners, time);
        Manifests = new Manifests(origins, Owners, Ask, time, stopping, new WorkSight("manifest", metrics, Watchdog));
        var writers = new CacheWriters(needs);
        var keepChecksum = new KeepChecksum(_cache, writers, logs.CreateLogger<KeepChecksum>(), stopping);
        CopyBlob = new CopyBlob(_cache, Spool, origins, requests, downloads, Owners, Ask, PeerSpools, keepChecksum, needs.ShareCache, metrics, time, stopping);
        var readPlan = new ReadPlan(_cache, Manifests, requests, settings);
        var followers = new CopyFollowers(origins, readPlan, logs.CreateLogger<CopyFollowers>());
        CopyImage = new CopyImage(_cache, CopyBlob, readPlan, followers, writers, settings, time, stopping);
        SweepRepository = new SweepRepository(_cache, writers, logs.CreateLogger<SweepRepository>());
        EvictImage = new EvictImage(_cache, writers, SweepRepository, logs.CreateLogger<EvictImage>());
        Forward = new ForwardToOwner(_peers, Owners, metrics, time);
        PullManifest = new PullManifest(
            _cache, new IndexChildren(_cache, stopping), Manifests, origins, CopyImage, needs.PulledThrough, time, logs.CreateLogger<PullManifest>(), stopping);
        RevalidateTag = new RevalidateTag(Manifests, PullManifest, time, stopping);
        PullFailures = new PullFailures(meters, logs.CreateLogger<PullFailures>());
        PullBlob = new PullBlob(_cache, CopyBlob, origins, needs.ShareCache, time, logs.CreateLogger<PullBlob>(), stopping);
        Drain = new Drain(Spool, Owners, Ask, settings.DrainLimit, time, logs.CreateLogger<Drain>());
    }

    public TimeProvider Time { get; }
    public WorkWatchdog Watchdog { get; }
    public Spool Spool { get; }
    public ReplicaList Replicas { get; }
    public OriginRules OriginRules { get; }
    public TokenAuthentication Authentication { get; }
    public BlobOwners Owners { get; }
    public AskOwner Ask { get; }
    public PeerSpools PeerSpools { get; }
    public Drain Drain { get; }
    public Manifests Manifests { get; }
    public CopyBlob CopyBlob { get; }
    public CopyImage CopyImage { get; }
    public EvictImage EvictImage { get; }
    public SweepRepository SweepRepository { get; }
    public ForwardToOwner Forward { get; }
    public PullManifest PullManifest { get; }
    public RevalidateTag RevalidateTag { get; }
    public PullBlob PullBlob { get; }
    public PullFailures PullFailures { get; }

    /// <summary>Ends all work; transfers that are left break off, and their clients go on at another replica.</summary>
    public void Stop()
    {
        _stopping.Cancel();
        Spool.CutAll();
    }

    public void Dispose()
    {
        Stop();
        Spool.Dispose();
        _client.Dispose();
        _cache.Dispose();
        _peers.Dispose();
        _manifestReads.Dispose();
        _token?.Dispose();
        _stopping.Dispose();
    }
}
