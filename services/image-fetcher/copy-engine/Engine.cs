using System.Diagnostics.Metrics;
using Kuik.Hosting;
using Kuik.Oci;
using Microsoft.Extensions.Logging;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The object graph of the copy engine.</summary>
internal sealed class Engine : IDisposable
{
    /// <summary>Concurrent downloads from origins; a host without one is always allowed one more.</summary>
    private const int MostDownloads = 128;

    /// <summary>
    /// Concurrent downloads from one host: fewer than its connections for bodies, so that no download waits for a connection.
    /// </summary>
    private const int MostDownloadsPerHost = 48;

    private readonly CancellationTokenSource _stopping = new();
    private readonly RegistryClient _client;
    private readonly CacheRegistry _cache;
    private readonly SecretFile? _token;
    private readonly HttpMessageInvoker _peers;
    private readonly ManifestReadLimiter _manifestReads;

    public Engine(
        CopyEngineOptions options, Func<TimeProvider, RegistryClient> client, CopyEngineHooks needs, TimeProvider time,
        IMeterFactory meters, ILoggerFactory logs)
    {
        (Time, OriginRules) = (time, options.Origins);
        var stopping = _stopping.Token;
        var metrics = new EngineMetrics(meters, time);
        Watchdog = new WorkWatchdog(time);
        metrics.Watch(Watchdog);
        _token = options.TokenFile is { } file
            ? new SecretFile(FetcherToken.FileKey, file, SecretKind.Token, time, logs.CreateLogger<TokenAuthentication>())
            : null;
        _peers = new HttpMessageInvoker(new PeerTokenHandler(_token) { InnerHandler = new PeerConnectionHandler() });
        Authentication = new TokenAuthentication(_token, time, meters, logs.CreateLogger<TokenAuthentication>());
        _client = client(time);
        _cache = new CacheRegistry(options, time);
        Spool = new Spool(options.SpoolPath, options.SpoolLimitInBytes, options.LargestBlobInBytes, metrics, Watchdog, time, stopping);
        var limits = new RateLimits(time, meters);
        _client.Answered = limits.Saw;
        _manifestReads = new ManifestReadLimiter(time, metrics);
        var originClient = new OriginClient(_client, needs.Credentials, limits) { Reads = _manifestReads, Rules = options.Origins };
        var requests = new PerHostLimiter(int.MaxValue, options.MaxConcurrentPerHost);
        var downloads = new PerHostLimiter(MostDownloads, MostDownloadsPerHost);
        Replicas = new ReplicaList(options, _peers, time, logs.CreateLogger<ReplicaList>());
        Owners = new RendezvousRing(Replicas, time, logs.CreateLogger<RendezvousRing>());
        Ask = new OwnerClient(_peers, Owners, time);
        PeerSpools = new PeerSpools(_peers, _client, Owners, time);
        ManifestFetcher = new ManifestFetcher(originClient, Owners, Ask, time, stopping,
            new WorkInstrumentation("manifest", metrics, Watchdog));
        var writers = new CacheWriters(needs);
        var checksumWriter = new ChecksumWriter(_cache, writers, logs.CreateLogger<ChecksumWriter>(), stopping);
        BlobCopier = new BlobCopier(_cache, Spool, originClient, requests, downloads, Owners, Ask, PeerSpools, checksumWriter,
            needs.ShareCache, metrics, time, stopping);
        var imagePlanReader = new ImagePlanReader(_cache, ManifestFetcher, requests, options);
        var referrerCopier = new ReferrerCopier(originClient, imagePlanReader, logs.CreateLogger<ReferrerCopier>());
        ImageCopier = new ImageCopier(_cache, BlobCopier, imagePlanReader, referrerCopier, writers, options, time, stopping);
        CacheInspector = new CacheInspector(_cache, imagePlanReader);
        OriginInspector = new OriginInspector(originClient, ManifestFetcher);
        RepositorySweeper = new RepositorySweeper(_cache, writers, logs.CreateLogger<RepositorySweeper>());
        TagEviction = new TagEviction(_cache, writers, RepositorySweeper, logs.CreateLogger<TagEviction>());
        Forward = new OwnerForwarder(_peers, Owners, metrics, time);
        ManifestPullEndpoint = new ManifestPullEndpoint(
            _cache, new IndexChildren(_cache, stopping), ManifestFetcher, originClient, ImageCopier, needs, time,
            logs.CreateLogger<ManifestPullEndpoint>(), stopping);
        TagRevalidator = new TagRevalidator(ManifestFetcher, ManifestPullEndpoint, time, stopping);
        PullFailures = new PullFailures(meters, logs.CreateLogger<PullFailures>());
        BlobPullEndpoint = new BlobPullEndpoint(_cache, BlobCopier, originClient, needs.ShareCache, time,
            logs.CreateLogger<BlobPullEndpoint>(), stopping);
        Drain = new Drain(Spool, Owners, Ask, options.DrainLimit, time, logs.CreateLogger<Drain>());
    }

    public TimeProvider Time { get; }
    public WorkWatchdog Watchdog { get; }
    public Spool Spool { get; }
    public ReplicaList Replicas { get; }
    public OriginRules OriginRules { get; }
    public TokenAuthentication Authentication { get; }
    public RendezvousRing Owners { get; }
    public OwnerClient Ask { get; }
    public PeerSpools PeerSpools { get; }
    public Drain Drain { get; }
    public ManifestFetcher ManifestFetcher { get; }
    public BlobCopier BlobCopier { get; }
    public ImageCopier ImageCopier { get; }
    public TagEviction TagEviction { get; }
    public RepositorySweeper RepositorySweeper { get; }
    public CacheInspector CacheInspector { get; }
    public OriginInspector OriginInspector { get; }
    public OwnerForwarder Forward { get; }
    public ManifestPullEndpoint ManifestPullEndpoint { get; }
    public TagRevalidator TagRevalidator { get; }
    public BlobPullEndpoint BlobPullEndpoint { get; }
    public PullFailures PullFailures { get; }

    /// <summary>Ends all work; running transfers are aborted, and their clients resume at another replica.</summary>
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
