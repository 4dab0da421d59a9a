using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.RegularExpressions;

namespace Kuik.Testing;

/// <summary>The options of a registry.</summary>
public sealed record RegistryOptions
{
    /// <summary>The user that may pull and push, with basic authentication. Default null: no authentication.</summary>
    public (string User, string Password)? Credentials { get; init; }

    /// <summary>The htpasswd file of <see cref="Credentials"/>. Default null: created from them.</summary>
    public string? Htpasswd { get; init; }

    /// <summary>The issuer of bearer tokens. Default null: none are required.</summary>
    public TokenServer? Tokens { get; init; }

    /// <summary>
    /// The registry with the served data, for reading only, as node-proxies' endpoint of a cache. Default null: data of its own.
    /// </summary>
    public Registry? ReadOnlyOver { get; init; }

    /// <summary>A regular expression of the addresses of foreign layers. Default null: it refuses manifests with such a layer.</summary>
    public string? ForeignLayersAt { get; init; }

    /// <summary>Its listen address. Default loopback; in make test-cluster the node's, which pods reach.</summary>
    public string Address { get; init; } = "127.0.0.1";

    /// <summary>Default: any free one.</summary>
    public int? Port { get; init; }

    /// <summary>Its sandbox; default the shared one.</summary>
    public Sandbox? Sandbox { get; init; }

    /// <summary>For messages and folders.</summary>
    public string Name { get; init; } = "registry";
}

/// <summary>One request that a registry has answered, from its own access log.</summary>
/// <param name="Method">GET, HEAD, …</param>
/// <param name="Path">With its query.</param>
/// <param name="Status">The HTTP status.</param>
/// <param name="BytesSent">Of the body, as far as it was sent.</param>
public sealed record RegistryRequest(string Method, string Path, int Status, long BytesSent);

/// <summary>
/// A real registry: Debian's docker-registry (CNCF distribution 2.8.2) over a folder, deletion allowed, without the
/// blob-descriptor cache (after a garbage collection that one claims blobs that are gone).
/// </summary>
public sealed partial class Registry
{
    private readonly RegistryOptions options;
    private readonly string folder;
    private ServerProcess? process;

    private Registry(RegistryOptions options)
    {
        this.options = options;
        folder = Sandbox.NewFolder(options.Name);
        Port = options.Port ?? FreePort.Next();
    }

    public int Port { get; }

    /// <summary>Host and port as an image's name holds them: <c>127.0.0.1:PORT</c>.</summary>
    public string Host => $"{options.Address}:{Port}";

    public Uri Endpoint => new($"http://{Host}/");

    /// <summary>The folder of its storage.</summary>
    public string DataFolder => options.ReadOnlyOver?.DataFolder ?? Path.Combine(folder, "data");

    /// <summary>As in <see cref="RegistryOptions.Credentials"/>.</summary>
    public (string User, string Password)? Credentials => options.Credentials;

    /// <summary>Its process, the last one that was started.</summary>
    public ServerProcess Process => process!;

    private Sandbox Sandbox => options.Sandbox ?? Sandbox.Shared;

    /// <summary>Starts one; ready when it returns. Takes some 100 ms.</summary>
    /// <exception cref="ServerFailedException">It does not start.</exception>
    public static async Task<Registry> Start(RegistryOptions? options = null)
    {
        var registry = new Registry(options ?? new RegistryOptions());
        await registry.Restart();
        return registry;
    }

    /// <summary>Starts it again on the same port with the same data.</summary>
    public async Task Restart()
    {
        await File.WriteAllTextAsync(Path.Combine(folder, "config.yml"), Configuration());
        process = ServerProcess.Start(Sandbox, options.Name, folder,
            new ServerCommand("docker-registry", "serve", Path.Combine(folder, "config.yml")));
        using var http = new HttpClient { BaseAddress = Endpoint };
        await process.WaitUntil(async ct =>
        {
            using var answer = await http.GetAsync(new Uri("/v2/", UriKind.Relative), ct);
            return (int)answer.StatusCode is 200 or 401;
        });
    }

    /// <summary>Makes it unreachable; its data stays. <see cref="Restart"/> starts it again.</summary>
    public async Task Stop() => await process!.Stop(signal: 9);   // it loses nothing, and SIGTERM would wait for its clients

    /// <summary>Freezes it (SIGSTOP) until <see cref="Resume"/>: it accepts connections and answers nothing.</summary>
    public void Freeze() => process!.Signal(19);

    public void Resume() => process!.Signal(18);

    /// <summary>The requests since its first start, oldest first, without readiness checks.</summary>
    public IReadOnlyList<RegistryRequest> Requests() =>
    [
        .. AccessLine().Matches(process!.Log)
            .Select(line => new RegistryRequest(
                line.Groups[1].Value, line.Groups[2].Value, (int)Number(line.Groups[3]), Number(line.Groups[4])))
            .Where(request => request.Path != "/v2/"),
    ];

    /// <summary>How often it sent each blob's bytes (wholly or in part), by digest.</summary>
    public IReadOnlyDictionary<string, int> BlobDownloads() => Requests()
        .Where(request => request is { Method: "GET", Status: 200 or 206 }
            && request.Path.Contains("/blobs/sha256:", StringComparison.Ordinal))
        .GroupBy(request => request.Path[(request.Path.LastIndexOf('/') + 1)..])
        .ToDictionary(downloads => downloads.Key, downloads => downloads.Count());

    /// <summary>Its own garbage collection as a program and its arguments.</summary>
    public IReadOnlyList<string> CollectorCommand => ["docker-registry", "garbage-collect", Path.Combine(folder, "config.yml")];

    /// <summary>Runs its own garbage collection; the registry may continue to run, as its data is then only read.</summary>
    public Task CollectGarbage(bool deleteUntagged = false) => RunTool.Run(
        "docker-registry", ["garbage-collect", .. deleteUntagged
            ? ["--delete-untagged"]
            : Array.Empty<string>(), Path.Combine(folder, "config.yml")]);

    /// <summary>A client with all permissions.</summary>
    /// <param name="repository">Its repository; a registry with tokens grants permissions for one.</param>
    public HttpClient Client(string repository)
    {
        var http = new HttpClient { BaseAddress = Endpoint };
        if (Credentials is { } credentials)
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic",
                Convert.ToBase64String(Encoding.UTF8.GetBytes($"{credentials.User}:{credentials.Password}")));
        if (options.Tokens is { } tokens)
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", tokens.TokenForEverything(repository));
        return http;
    }

    private static long Number(Group text) => long.Parse(text.ValueSpan, CultureInfo.InvariantCulture);

    private string Configuration()
    {
        var text = new StringBuilder($$"""
            version: 0.1
            log: {accesslog: {disabled: false}, level: warn}
            storage:
              filesystem: {rootdirectory: {{DataFolder}}, maxthreads: 100}
              delete: {enabled: true}
              maintenance:
                uploadpurging: {enabled: false}
                readonly:
                  enabled: {{(options.ReadOnlyOver is null ? "false" : "true")}}
            http: {secret: {{options.Name}}, addr: "{{Host}}"}

            """);
        if (Credentials is { } credentials)
        {
            var file = Path.Combine(folder, "htpasswd");
            File.WriteAllText(file, options.Htpasswd ?? $"{credentials.User}:{Bcrypt.Hash(credentials.Password)}\n");
            text.AppendLine(CultureInfo.InvariantCulture, $"auth: {{htpasswd: {{realm: kuik-tests, path: {file} }} }}");
        }
        if (options.ForeignLayersAt is { } addresses)
            text.AppendLine(CultureInfo.InvariantCulture, $"validation: {{manifests: {{urls: {{allow: ['{addresses}']}} }} }}");
        if (options.Tokens is { } tokens)
        {
            var bundle = Path.Combine(folder, "tokens.pem");
            File.WriteAllText(bundle, tokens.CertificatePem);
            text.AppendLine(CultureInfo.InvariantCulture,
                $"auth: {{token: {{realm: \"{tokens.Realm}\", service: {TokenServer.Audience}, issuer: {TokenServer.Issuer}, "
                    + $"rootcertbundle: {bundle} }} }}");
        }
        return text.ToString();
    }

    [GeneratedRegex("""^\S+ - \S* \[[^\]]+\] "([A-Z]+) (\S+) HTTP/[0-9.]+" ([0-9]+) ([0-9]+) """, RegexOptions.Multiline)]
    private static partial Regex AccessLine();
}
