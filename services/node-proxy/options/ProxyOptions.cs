using System.Net;
using Kuik.Hosting;
using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>The options of node-proxy, read once at start.</summary>
internal sealed record ProxyOptions
{
    /// <summary>Port on 127.0.0.1 and ::1. Default 7439; 0 takes any free one (tests).</summary>
    public required int Port { get; init; }

    /// <summary>Ports that were <see cref="Port"/> once: pods made then still name them. Default none.</summary>
    public required IReadOnlyList<int> PreviousPorts { get; init; }

    /// <summary>
    /// <c>Kuik:Proxy:ListenAddress</c>: the addresses on which pulls are answered, for clusters that forbid hostNetwork: there a hostPort
    /// forwards from the node's loopback to the pod's addresses (<c>status.podIPs</c>), and everything that reaches the pod may pull.
    /// Default none: 127.0.0.1 and ::1.
    /// </summary>
    public IReadOnlyList<IPAddress> ListenAddresses { get; init; } = [];

    /// <summary><c>Kuik:Proxy:AcceptV1Paths</c>: paths of pods that kube-image-keeper v1 has rewritten are answered too; see
    /// <see cref="V1Paths"/>. Default false.</summary>
    public bool AcceptsV1Paths { get; init; }

    /// <summary>Where health and metrics are answered, apart from pulls. Default <c>http://127.0.0.1:7440</c>.</summary>
    public required IReadOnlyList<string> MetricsUrls { get; init; }

    /// <summary>
    /// The cache registry, read only. Default <c>http://localhost:5000</c>; null: its Service did not exist when this container was
    /// started, so it is passed over.
    /// </summary>
    public required Uri? Cache { get; init; }

    /// <summary>Where image-fetcher answers pull-through; null: there is none, misses go to the origin.</summary>
    public required Uri? Fetcher { get; init; }

    /// <summary>
    /// <c>Kuik:Endpoints:File</c>: a file that says where cache and image-fetcher are now and wins over both settings; see
    /// <see cref="NodeProxy.EndpointsFile"/>.
    /// Default none. It need not exist.
    /// </summary>
    public string? EndpointsFile { get; init; }

    /// <summary>
    /// The answer when the cache registry redirects to its storage (S3 and others). Default <c>follow</c>: node-proxy fetches from there
    /// and verifies the bytes; <c>pass</c> (here true): the client is redirected, which costs this node nothing, but nothing is verified
    /// here.
    /// </summary>
    public bool PassesRedirects { get; init; }

    /// <summary>How long a connection to the cache or image-fetcher may take. Default 1.5 seconds.</summary>
    public TimeSpan ConnectLimit { get; init; } = TimeSpan.FromSeconds(1.5);

    /// <summary>How long the cache may take to begin an answer. Default 5 seconds.</summary>
    public TimeSpan CacheLimit { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long image-fetcher may be silent; it says within one second that it is working. Default 2.5 seconds.</summary>
    public TimeSpan FetcherLimit { get; init; } = TimeSpan.FromSeconds(2.5);

    /// <summary>How long a client waits for an image-fetcher that says it is working; then 504, and the runtime asks again. Default 55
    /// seconds, below the minute after which containerd gives up.</summary>
    public TimeSpan FetcherPatience { get; init; } = TimeSpan.FromSeconds(55);

    /// <summary>How long an origin may take to begin an answer, connection and token included. Default 10 seconds.</summary>
    public TimeSpan OriginLimit { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a body may stand still before its source is given up. Default 30 seconds.</summary>
    public TimeSpan NoProgressLimit { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a source that exceeded a time limit is skipped. Default 5 seconds.</summary>
    public TimeSpan BreakerPause { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a source that sent wrong bytes for a digest is not asked for that digest. Default 5 minutes.</summary>
    public TimeSpan DistrustPause { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>The allowed origins. Default all.</summary>
    public OriginRules Origins { get; init; } = OriginRules.AllowAll;

    /// <summary>
    /// The age from which a tag that a runtime asks for in mirror mode (<c>?ns=</c>) is looked up again at its origin, once. Default 1
    /// minute; 0: never, the tag resolves to the cached manifest. One HEAD for all nodes, as long as image-fetcher answers.
    /// </summary>
    public TimeSpan TagFreshness { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary><c>Kuik:Proxy:RevalidateTags</c>: tags of rewritten pods are looked up like those of mirror mode. Default false: they are
    /// what the cache has.</summary>
    public bool RevalidatesTags { get; init; }

    /// <summary>How long a pull waits for that answer; then the cached manifest is served, and a later answer serves the next pull. Default
    /// 0.7 seconds.</summary>
    public TimeSpan TagPatience { get; init; } = TimeSpan.FromSeconds(0.7);

    /// <summary>
    /// How many blobs come directly from one origin host at a time. Default 3, as many as containerd and
    /// Docker ask for of one image; 1 to 100.
    /// </summary>
    public int OriginBlobs { get; init; } = 3;

    /// <summary><c>Kuik:Proxy:MaxOriginBlobs</c>: the same of all origins together. Default 24; 1 to 1000.</summary>
    public int MostOriginBlobs { get; init; } = 24;

    /// <summary>
    /// How long a request waits for its turn at an origin; then 503, and the runtime asks again. Default 50 seconds, below the minute
    /// after which containerd gives up.
    /// </summary>
    public TimeSpan OriginWait { get; init; } = TimeSpan.FromSeconds(50);

    /// <summary>
    /// Bytes a second, or with a unit (k, M, G; Ki, Mi, Gi): a blob that an origin sends more slowly, averaged over 30 seconds
    /// of waiting for the origin, is given up, so that origins that trickle do not hold all turns. A slow client does not
    /// count. Default 1 KiB; at least 1.
    /// </summary>
    public long OriginRate { get; init; } = 1 << 10;

    /// <summary><c>Kuik:Proxy:PullReportInterval</c>: between two reports of counted pulls to image-fetcher. Default 1 minute; 0: none;
    /// at most 1 day.</summary>
    public TimeSpan PullReportInterval { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How long running downloads may go on after a stop is asked for. Default 30 seconds; the pod's grace period must be
    /// longer.</summary>
    public TimeSpan DrainLimit { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Every port that is ours, so that a request is never sent to ourselves.</summary>
    public IEnumerable<int> OwnPorts => PreviousPorts.Prepend(Port);

    /// <exception cref="InvalidSettingException">A setting cannot be used.</exception>
    public static ProxyOptions From(IConfiguration configuration)
    {
        var usual = new ProxyOptions { Port = 0, PreviousPorts = [], MetricsUrls = [], Cache = null, Fetcher = null };
        var port = configuration.Read("Kuik:Proxy:Port", 7439, "a port, 0 to 65535", p => p is >= 0 and <= 65535);
        return new ProxyOptions
        {
            Port = port,
            PreviousPorts = [.. configuration.ReadList("Kuik:Proxy:PreviousPorts").Select(ReadPort).Where(p => p != port).Distinct()],
            ListenAddresses = [.. configuration.ReadList("Kuik:Proxy:ListenAddress").Select(ReadAddress).Distinct()],
            AcceptsV1Paths = configuration.Read("Kuik:Proxy:AcceptV1Paths", false, "true or false"),
            MetricsUrls = configuration.ReadList("Kuik:Metrics:Urls", "http://127.0.0.1:7440"),
            Cache = Endpoint(
                "Kuik:Cache:ReadEndpoint", configuration["Kuik:Cache:Endpoint"] is { Length: > 0 } same ? same : "http://localhost:5000"),
            Fetcher = Endpoint("Kuik:Fetcher:Endpoint", null),
            EndpointsFile = configuration["Kuik:Endpoints:File"] is { Length: > 0 } file ? file : null,
            PassesRedirects = configuration["Kuik:Cache:Redirects"] switch
            {
                null or "" or "follow" => false,
                "pass" => true,
                var other => throw new InvalidSettingException("Kuik:Cache:Redirects", other, "follow or pass"),
            },
            ConnectLimit = Limit("Kuik:Proxy:ConnectLimit", usual.ConnectLimit),
            CacheLimit = Limit("Kuik:Proxy:CacheLimit", usual.CacheLimit),
            FetcherLimit = Limit("Kuik:Proxy:FetcherLimit", usual.FetcherLimit),
            FetcherPatience = Limit("Kuik:Proxy:FetcherPatience", usual.FetcherPatience),
            OriginLimit = Limit("Kuik:Proxy:OriginLimit", usual.OriginLimit),
            NoProgressLimit = Limit("Kuik:Proxy:NoProgressLimit", usual.NoProgressLimit),
            BreakerPause = Limit("Kuik:Proxy:BreakerPause", usual.BreakerPause),
            DistrustPause = Limit("Kuik:Proxy:DistrustPause", usual.DistrustPause),
            DrainLimit = Limit("Kuik:Proxy:DrainLimit", usual.DrainLimit),
            Origins = OriginRules.From(configuration),
            TagFreshness = configuration.Read("Kuik:Proxy:TagFreshness", usual.TagFreshness,
                "a time such as 00:01:00, 0 for never, at most 1.00:00:00", t => t >= TimeSpan.Zero && t <= TimeSpan.FromDays(1)),
            PullReportInterval = configuration.Read("Kuik:Proxy:PullReportInterval", usual.PullReportInterval,
                "a time such as 00:01:00, 0 for none, at most 1.00:00:00", t => t >= TimeSpan.Zero && t <= TimeSpan.FromDays(1)),
            RevalidatesTags = configuration.Read("Kuik:Proxy:RevalidateTags", false, "true or false"),
            TagPatience = Limit("Kuik:Proxy:TagPatience", usual.TagPatience),
            OriginBlobs = configuration.Read("Kuik:Proxy:OriginBlobs", usual.OriginBlobs, "a number from 1 to 100",
                n => n is >= 1 and <= 100),
            MostOriginBlobs = configuration.Read(
                "Kuik:Proxy:MaxOriginBlobs", usual.MostOriginBlobs, "a number from 1 to 1000", n => n is >= 1 and <= 1000),
            OriginWait = Limit("Kuik:Proxy:OriginWait", usual.OriginWait),
            OriginRate = configuration.ReadSize("Kuik:Proxy:OriginRate", usual.OriginRate, 1 << 30),
        };

        // Kubernetes leaves $(KUIK_…_SERVICE_HOST) as it is where there is no such Service.
        Uri? Endpoint(string key, string? fallback) =>
            configuration[key]?.Contains("$(", StringComparison.Ordinal) == true ? null : configuration.ReadEndpoint(key, fallback);

        // A bare "30" would be 30 days to .NET: no limit here is longer than an hour.
        TimeSpan Limit(string key, TimeSpan fallback) =>
            configuration.Read(key, fallback, "a time such as 00:00:05, at most 01:00:00",
                t => t > TimeSpan.Zero && t <= TimeSpan.FromHours(1));

        // Not 0.0.0.0: references to node-proxy itself are recognised by these addresses; without them it would ask itself without end.
        static IPAddress ReadAddress(string text) =>
            IPAddress.TryParse(text, out var address) && !address.Equals(IPAddress.Any) && !address.Equals(IPAddress.IPv6Any)
                ? address
                : throw new InvalidSettingException("Kuik:Proxy:ListenAddress", text,
                    "addresses of this machine or pod, such as 10.0.0.7, with commas between them");

        static int ReadPort(string text) =>
            int.TryParse(text, out var p) && p is >= 1 and <= 65535
                ? p
                : throw new InvalidSettingException("Kuik:Proxy:PreviousPorts", text, "a list of ports");
    }
}
