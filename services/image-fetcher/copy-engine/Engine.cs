using System.Diagnostics.Metrics;
using Kuik.Hosting;
using Kuik.Oci;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
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
            provider.GetRequiredService<IMeterFactory>(), provider.GetRequiredService<ILoggerFactory>(), provider.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping));
        services.AddSingleton(provider => provider.GetRequiredService<Engine>().CopyImage);
        services.AddSingleton(provider => provider.GetRequiredService<Engine>().EvictImage);
        return services;
    }
}

/// <summary>The engine's parts, put together.</summary>
internal sealed class Engine : IDisposable
{
    private readonly CancellationTokenSource _stopping;
    private readonly RegistryClient _client;
    private readonly CacheRegistry _cache;
    private readonly Spool _spool;
    private readonly SecretFile? _token;
    private readonly HttpMessageInvoker _peers;
    private readonly ManifestReadLimiter _manifestReads;

    // Between replicas: on the cluster's own network, never through a proxy.
    private static SocketsHttpHandler PeerConnections() => new()
    {
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = false,
        ConnectTimeout = BlobOwners.Silence,
        ActivityHeadersPropagator = null,
        SslOptions = { CertificateChainPolicy = CertificateChainPolicy.WithoutDownloads() },
    };

    public Engine(CopyEngineSettings settings, Func<TimeProvider, RegistryClient> client, CopyEngineNeeds needs, TimeProvider time, IMeterFactory meters, ILoggerFactory logs, CancellationToken applicationStopping)
    {
        (Time, OriginRules) = (time, settings.Origins);
        _stopping = CancellationTokenSource.CreateLinkedTokenSource(applicationStopping);
        var stopping = _stopping.Token;
        _token = settings.TokenFile is { } file
            ? new SecretFile(FetcherToken.FileKey, file, SecretKind.Token, time, logs.CreateLogger<TokenAuthentication>())
            : null;
        _peers = new HttpMessageInvoker(new PeerTokenHandler(_token) { InnerHandler = PeerConnections() });
        Authentication = new TokenAuthentication(_token, time, meters, logs.CreateLogger<TokenAuthentication>());
        _client = client(time);
        _cache = new CacheRegistry(settings, time);
        _spool = new Spool(settings.SpoolPath, settings.SpoolLimitInBytes, time, stopping);
        var limits = new RateLimits(time, meters);
        _client.Answered = limits.Saw;
        _manifestReads = new ManifestReadLimiter(time, meters);
        var origins = new Origins(_client, needs.Credentials, limits) { Reads = _manifestReads, Rules = settings.Origins };
        var requests = new HostTurns(int.MaxValue, settings.MaxConcurrentPerHost);
        Owners = new BlobOwners(settings, time, logs.CreateLogger<BlobOwners>());
        var ask = new AskOwner(_peers, Owners, time);
        Manifests = new Manifests(origins, Owners, ask, time, stopping);
        var keepChecksum = new KeepChecksum(_cache, needs.LockRepository, logs.CreateLogger<KeepChecksum>(), stopping);
        CopyBlob = new CopyBlob(_cache, _spool, origins, requests, Owners, ask, keepChecksum, time, stopping);
        var readPlan = new ReadPlan(_cache, Manifests, requests, settings);
        var followers = new CopyFollowers(origins, readPlan, logs.CreateLogger<CopyFollowers>());
        CopyImage = new CopyImage(_cache, CopyBlob, readPlan, followers, needs.LockRepository, settings, time, stopping);
        EvictImage = new EvictImage(_cache, needs.LockRepository, logs.CreateLogger<EvictImage>());
        Forward = new ForwardToOwner(_peers, Owners, time);
        PullManifest = new PullManifest(_cache, Manifests, origins, CopyImage, needs.PulledThrough, time, logs.CreateLogger<PullManifest>(), stopping);
        RevalidateTag = new RevalidateTag(Manifests, PullManifest, time, stopping);
        PullFailures = new PullFailures(meters, logs.CreateLogger<PullFailures>());
        PullBlob = new PullBlob(_cache, _spool, CopyBlob, origins, time, logs.CreateLogger<PullBlob>(), stopping);
    }

    public TimeProvider Time { get; }
    public OriginRules OriginRules { get; }
    public TokenAuthentication Authentication { get; }
    public BlobOwners Owners { get; }
    public Manifests Manifests { get; }
    public CopyBlob CopyBlob { get; }
    public CopyImage CopyImage { get; }
    public EvictImage EvictImage { get; }
    public ForwardToOwner Forward { get; }
    public PullManifest PullManifest { get; }
    public RevalidateTag RevalidateTag { get; }
    public PullBlob PullBlob { get; }
    public PullFailures PullFailures { get; }

    public void Dispose()
    {
        _stopping.Cancel();
        _spool.Dispose();
        _client.Dispose();
        _cache.Dispose();
        _peers.Dispose();
        _manifestReads.Dispose();
        _token?.Dispose();
        _stopping.Dispose();
    }
}
