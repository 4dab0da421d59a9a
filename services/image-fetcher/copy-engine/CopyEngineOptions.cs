using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using Kuik.Hosting;
using Kuik.Oci;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The engine's options, read once at start.</summary>
internal sealed record CopyEngineOptions
{
    /// <summary><c>Kuik:Cache:Endpoint</c>: the cache registry, read and written. Default http://localhost:5000.</summary>
    public required Uri CacheEndpoint { get; init; }

    /// <summary><c>Kuik:Cache:Username</c> with <c>:Password</c> or <c>:PasswordFile</c>. Null: none.</summary>
    public RegistryCredential? CacheCredential { get; init; }

    /// <summary><c>Kuik:Cache:PasswordFile</c>, read again when it changes. Null: none, or no user name.</summary>
    public string? CachePasswordFile { get; init; }

    /// <summary>
    /// <c>Kuik:RootCertificateAuthorities</c>: certificate authorities trusted for registries, the cache included, in addition to the
    /// system's. Default none.
    /// </summary>
    public X509Certificate2Collection Roots { get; init; } = [];

    /// <summary>
    /// <c>Kuik:Cache:AcceptsSparseIndexes</c>: true for a registry that accepts an index without all of its children. Default false.
    /// </summary>
    public bool AcceptsSparseIndexes { get; init; }

    /// <summary>
    /// <c>Kuik:Platforms</c>: the platforms of an index that are copied ahead of pulls: <c>os/arch[/variant]</c>;
    /// <c>windows(10.0.20348)/amd64</c>, which matches every entry whose <c>os.version</c> is or begins with that version (without one: all
    /// of Windows); an architecture alone is Linux's. Duplicates in another spelling are removed. Default linux/amd64.
    /// </summary>
    public required IReadOnlyList<Platform> Platforms { get; init; }

    /// <summary>
    /// <c>Kuik:Fetch:Referrers</c>: true or false, whether the referrers of an image are copied with it: signatures, attestations and
    /// SBOMs, found by the origin's referrers API or its fallback tags, and by cosign's tags. Costs the origin four or five requests for
    /// each manifest of an image. Default false. The old key <c>Kuik:Fetch:Followers</c> is read where the new one is not set, until the
    /// next minor version.
    /// </summary>
    public bool Referrers { get; init; }

    /// <summary>
    /// <c>Kuik:Fetch:MaxConcurrentBlobs</c>: blobs this replica downloads at once for copies, all images together; an origin host without a
    /// running download is always allowed one more. 1 to 64, default 4.
    /// </summary>
    public int MaxConcurrentBlobs { get; init; } = 4;

    /// <summary>
    /// <c>Kuik:Fetch:MaxConcurrentPerHost</c>: concurrent requests of this replica to one origin host for background copies, including
    /// blobs that it downloads as their owner for other replicas. Pulls are not counted. 1 to 64; default 8, two replicas' worth of blobs.
    /// </summary>
    public int MaxConcurrentPerHost { get; init; } = 8;

    /// <summary><c>Kuik:Fetch:SpoolPath</c>: a folder for blobs that are being downloaded. Default: one in the temporary folder.</summary>
    public required string SpoolPath { get; init; }

    /// <summary>
    /// <c>Kuik:Fetch:SpoolLimit</c>: in bytes, or with a unit of Kubernetes quantities (k, M, G, T; Ki, Mi, Gi, Ti). Default 20 GiB.
    /// </summary>
    public long SpoolLimitInBytes { get; init; } = 20L << 30;

    /// <summary>
    /// <c>Kuik:Fetch:LargestBlob</c>: the limit for a blob whose size no manifest states; a longer one fails. In bytes, or with Ki, Mi, Gi,
    /// Ti. Default 128 GiB.
    /// </summary>
    public long LargestBlobInBytes { get; init; } = 128L << 30;

    /// <summary>
    /// <c>Kuik:Fetch:DrainLimit</c>: how long downloads and uploads continue after SIGTERM before they are handed over to the next replica.
    /// A duration of 0 to 1 hour, at least 15 seconds less than the pod's <c>terminationGracePeriodSeconds</c>. Default 15 seconds.
    /// </summary>
    public TimeSpan DrainLimit { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>
    /// <c>Kuik:Fetcher:Name</c>: the name by which this replica is ranked among the others; the same after a restart. Default: the
    /// machine's name (in Kubernetes the pod's), a colon and the port that it listens on.
    /// </summary>
    public string Name { get; init; } = Environment.MachineName;

    /// <summary>
    /// <c>Kuik:Fetcher:Peers</c>: the addresses of all replicas, this one included, or one name that resolves to them.
    /// Default: none, a single replica.
    /// </summary>
    public IReadOnlyList<Uri> Peers { get; init; } = [];

    /// <summary>
    /// <c>Kuik:Fetcher:TokenFile</c>: a file with the token that node-proxies and other replicas must send (<see cref="FetcherToken"/>).
    /// Null: no token is required.
    /// </summary>
    public string? TokenFile { get; init; }

    /// <summary>
    /// <c>Kuik:AllowedOrigins</c>, <c>Kuik:DeniedOrigins</c>: the origins that images are copied and pulled from. Default all.
    /// </summary>
    public OriginRules Origins { get; init; } = OriginRules.AllowAll;

    /// <summary>Parses the options from the configuration.</summary>
    /// <exception cref="InvalidSettingException">A value is invalid.</exception>
    public static CopyEngineOptions From(IConfiguration configuration) => new()
    {
        CacheEndpoint = configuration.ReadEndpoint("Kuik:Cache:Endpoint", "http://localhost:5000")!,
        CacheCredential = ReadCredential(configuration),
        CachePasswordFile =
            configuration["Kuik:Cache:Username"] is { Length: > 0 } && configuration["Kuik:Cache:PasswordFile"] is { Length: > 0 } file
                ? file : null,
        Roots = TrustedCertificates.From(configuration),
        AcceptsSparseIndexes = configuration.Read("Kuik:Cache:AcceptsSparseIndexes", false, "true or false"),
        Platforms = [.. configuration.ReadList("Kuik:Platforms", "linux/amd64").Select(text =>
            Platform.TryParse(text) ?? throw new InvalidSettingException("Kuik:Platforms", text, Platform.Accepted)).Distinct()],
        Referrers = configuration.Read("Kuik:Fetch:Referrers", configuration.Read("Kuik:Fetch:Followers", false, "true or false"),
            "true or false"),
        MaxConcurrentBlobs = configuration.Read("Kuik:Fetch:MaxConcurrentBlobs", 4, "a number from 1 to 64", n => n is >= 1 and <= 64),
        MaxConcurrentPerHost = configuration.Read("Kuik:Fetch:MaxConcurrentPerHost", 8, "a number from 1 to 64", n => n is >= 1 and <= 64),
        SpoolPath = configuration["Kuik:Fetch:SpoolPath"] is { Length: > 0 } path ? path : Path.Combine(Path.GetTempPath(), "kuik-spool"),
        SpoolLimitInBytes = configuration.ReadSize("Kuik:Fetch:SpoolLimit", 20L << 30),
        LargestBlobInBytes = configuration.ReadSize("Kuik:Fetch:LargestBlob", 128L << 30),
        DrainLimit = configuration.Read("Kuik:Fetch:DrainLimit", TimeSpan.FromSeconds(15), "a duration such as 00:00:15, at most 1 hour",
            limit => limit >= TimeSpan.Zero && limit <= TimeSpan.FromHours(1)),
        Name = configuration.Read("Kuik:Fetcher:Name", $"{Environment.MachineName}:{PortOf(configuration)}",
            "a name of its own for each replica"),
        Peers = [.. configuration.ReadList("Kuik:Fetcher:Peers").Select(ReadPeer)],
        TokenFile = configuration[FetcherToken.FileKey] is { Length: > 0 } token ? token : null,
        Origins = OriginRules.From(configuration),
    };

    private static RegistryCredential? ReadCredential(IConfiguration configuration)
    {
        if (configuration["Kuik:Cache:Username"] is not { Length: > 0 } user)
            return null;
        if (configuration["Kuik:Cache:PasswordFile"] is not { Length: > 0 } file)
            return new RegistryCredential(user, configuration["Kuik:Cache:Password"] ?? "");
        try
        {
            return new RegistryCredential(user, PasswordFileCredential.ReadPassword(file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidSettingException("Kuik:Cache:PasswordFile", file, $"a readable file ({e.Message})");
        }
    }

    /// <summary>The first port that the process listens on.</summary>
    /// <exception cref="InvalidSettingException"><c>Urls</c> is not an address.</exception>
    internal static string PortOf(IConfiguration configuration)
    {
        var address = configuration["urls"]?.Split(';')[0];
        if (string.IsNullOrWhiteSpace(address))
            return configuration["http_ports"]?.Split(';')[0] ?? "5000";
        try
        {
            return BindingAddress.Parse(address).Port.ToString(CultureInfo.InvariantCulture);
        }
        catch (FormatException)
        {
            throw new InvalidSettingException("Urls", address, "an address such as http://*:8080");
        }
    }

    private static Uri ReadPeer(string text) =>
        Uri.TryCreate(text.Contains("://", StringComparison.Ordinal) ? text : "http://" + text, UriKind.Absolute, out var peer)
            && peer.Scheme is "http" or "https"
            ? peer
            : throw new InvalidSettingException("Kuik:Fetcher:Peers", text, "an address such as http://image-fetcher-replicas:8080");
}
