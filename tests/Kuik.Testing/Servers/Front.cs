using System.Globalization;
using System.Net.Security;

namespace Kuik.Testing;

/// <summary>One request that a front has finished.</summary>
/// <param name="Method">GET, HEAD, …</param>
/// <param name="Path">With its query.</param>
/// <param name="Status">The HTTP status; 499 when the client went away before there was one.</param>
/// <param name="BytesSent">Of the body, as far as the client took it.</param>
/// <param name="Range">The Range header; empty without one.</param>
/// <param name="UserAgent">Of the client.</param>
public sealed record FrontRequest(string Method, string Path, int Status, long BytesSent, string Range, string UserAgent);

/// <summary>
/// A real nginx before an origin: its access log has the bytes that each client took, and it can limit the speed of every response, so
/// that a test can kill a process in the middle of a blob. Before several servers it acts as a Kubernetes Service: each connection
/// goes to one of those that are alive.
/// </summary>
public sealed class Front
{
    private readonly IReadOnlyList<string> servers;
    private readonly string folder = Sandbox.Shared.NewFolder("front");
    private ServerProcess? process;
    private int? bytesPerSecond;
    private PemPair? tls;
    private bool saysScheme = true;

    private Front(IReadOnlyList<string> servers) => this.servers = servers;

    public int Port { get; } = FreePort.Next();

    /// <summary>Host and port as an image's name holds them: <c>127.0.0.1:PORT</c>.</summary>
    public string Host => $"127.0.0.1:{Port}";

    public Uri Endpoint => new($"{(tls is null ? "http" : "https")}://{Host}/");

    /// <summary>Starts one.</summary>
    /// <param name="origin">The registry behind it.</param>
    /// <param name="bytesPerSecond">The speed of each response body; null for no limit.</param>
    public static async Task<Front> Start(Registry origin, int? bytesPerSecond = null)
    {
        var front = new Front([origin.Host]) { bytesPerSecond = bytesPerSecond };
        await front.Restart();
        return front;
    }

    /// <summary>Starts one that terminates TLS.</summary>
    /// <param name="registry">The registry behind it, without TLS.</param>
    /// <param name="tls">Its certificate.</param>
    /// <param name="saysScheme">True: sends X-Forwarded-Proto, so that the registry knows that its clients use TLS.</param>
    public static async Task<Front> StartTls(Registry registry, PemPair tls, bool saysScheme = true)
    {
        var front = new Front([registry.Host]) { tls = tls, saysScheme = saysScheme };
        await front.Restart();
        return front;
    }

    /// <summary>Starts one before several servers that are replicas of each other.</summary>
    /// <param name="servers">Host and port of each.</param>
    public static async Task<Front> StartBefore(IReadOnlyList<string> servers)
    {
        var front = new Front(servers);
        await front.Restart();
        return front;
    }

    /// <summary>Changes the speed of new responses; running ones keep theirs.</summary>
    /// <param name="bytesPerSecond">Null for no limit.</param>
    public async Task Limit(int? bytesPerSecond)
    {
        this.bytesPerSecond = bytesPerSecond;
        var before = WorkerIds();
        WriteConfiguration();
        process!.Signal(1);
        await Eventually.True(
            () => WorkerIds().Except(before).Any() && before.All(IsLeaving), "nginx has taken its new configuration");
    }

    /// <summary>Makes it unreachable.</summary>
    public async Task Stop()
    {
        await process!.Stop();
    }

    /// <summary>Starts it again on the same port.</summary>
    public async Task Restart()
    {
        WriteConfiguration();
        process = ServerProcess.Start(Sandbox.Shared, "nginx", folder,
            new ServerCommand("nginx", "-p", folder, "-c", Path.Combine(folder, "nginx.conf"))
            {
                Environment = { ["PATH"] = Environment.GetEnvironmentVariable("PATH") + ":/usr/sbin" },
            });
        using var handler = new SocketsHttpHandler();
        handler.SslOptions.RemoteCertificateValidationCallback =
            (_, _, _, errors) => errors != SslPolicyErrors.RemoteCertificateNotAvailable;
        using var http = new HttpClient(handler) { BaseAddress = Endpoint };
        await process.WaitUntil(async ct =>
        {
            using var answer = await http.GetAsync(new Uri("/front-is-ready", UriKind.Relative), ct);
            return answer.IsSuccessStatusCode;
        });
    }

    /// <summary>Its error log.</summary>
    public string Log => process!.Log;

    /// <summary>The finished requests so far, in the order in which their responses ended.</summary>
    public IReadOnlyList<FrontRequest> Requests() =>
        File.Exists(AccessLog)
            ? [.. File.ReadAllLines(AccessLog).Select(line => line.Split('\t')).Where(fields => fields.Length == 6).Select(Read)]
            : [];

    private string AccessLog => Path.Combine(folder, "access.log");

    private static FrontRequest Read(string[] fields) => new(
        fields[0], fields[1], int.Parse(fields[2], CultureInfo.InvariantCulture), long.Parse(fields[3], CultureInfo.InvariantCulture),
        fields[4], fields[5]);

    private List<string> WorkerIds() =>
        [.. File.ReadAllText($"/proc/{process!.Id}/task/{process.Id}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries)];

    private static bool IsLeaving(string worker)
    {
        try
        {
            return File.ReadAllText($"/proc/{worker}/cmdline") is var title
                && (title == "" || title.Contains("shutting down", StringComparison.Ordinal));
        }
        catch (IOException)
        {
            return true;   // it has ended
        }
    }

    private string Listen()
    {
        if (tls is null)
            return $"listen 127.0.0.1:{Port};";
        var (certificate, key) = tls.WriteTo(folder, "front");
        return $"listen 127.0.0.1:{Port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};";
    }

    private void WriteConfiguration() => File.WriteAllText(Path.Combine(folder, "nginx.conf"), $$"""
        daemon off;
        {{(Environment.IsPrivilegedProcess ? "user root;" : "")}}
        worker_processes 1;
        pid {{folder}}/nginx.pid;
        error_log stderr warn;
        events { worker_connections 1024; }
        http {
          log_format requests '$request_method\t$request_uri\t$status\t$body_bytes_sent\t$http_range\t$http_user_agent';
          access_log off;   # else the machine's own, which is not ours
          client_body_temp_path {{folder}}/body;
          proxy_temp_path {{folder}}/proxy;
          fastcgi_temp_path {{folder}}/fastcgi;
          uwsgi_temp_path {{folder}}/uwsgi;
          scgi_temp_path {{folder}}/scgi;
          client_max_body_size 0;
          upstream behind {
            {{string.Join(' ', servers.Select(server => $"server {server} max_fails=0;"))}}
          }
          server {
            {{Listen()}}
            {{(bytesPerSecond is { } limit ? $"limit_rate {limit};" : "")}}
            location = /front-is-ready { access_log off; return 200; }
            location / {
              access_log {{AccessLog}} requests;
              proxy_pass http://behind;
              proxy_http_version 1.1;
              proxy_set_header Host $http_host;
              {{(saysScheme ? "proxy_set_header X-Forwarded-Proto $scheme;" : "")}}
              proxy_request_buffering off;
              proxy_max_temp_file_size 0;
            }
          }
        }

        """);
}
