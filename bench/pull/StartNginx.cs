using Kuik.Testing;

namespace Kuik.Bench.Pull;

/// <summary>nginx in its two parts: the cache's store behind the proxies, and the proxy that kuik is measured against.</summary>
internal static class StartNginx
{
    /// <summary>Sends blobs as files (the proxies, not it, are the limit) and asks a registry for everything else.</summary>
    /// <param name="registry">The one.</param>
    /// <param name="blobs">A folder of files, each named by its digest.</param>
    public static Task<PullServer> Store(Registry registry, string blobs) => Start("store", port => $$"""
          sendfile on;
          tcp_nopush on;
          upstream behind { server {{registry.Host}}; keepalive 64; }
          server {
            listen 127.0.0.1:{{port}};
            location ~ ^/v2/.+/blobs/(?<digest>sha256:[0-9a-f]+)$ { alias {{blobs}}/$digest; }
            location / { proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ""; }
          }
        """);

    /// <summary>Where its cache is; deleted by the suite.</summary>
    public static readonly string CacheInMemory = $"/dev/shm/kuik-bench-{Environment.ProcessId}";

    /// <summary>A caching proxy as one would tune it: manifests from a cache in memory that is as fresh as node-proxy's, blobs through 16
    /// buffers of 64 KB.</summary>
    /// <param name="store">The registry behind it.</param>
    public static Task<PullServer> Proxy(PullServer store) => Start("nginx", port => $$"""
          proxy_cache_path {{CacheInMemory}} keys_zone=manifests:10m;
          proxy_http_version 1.1;
          proxy_set_header Connection "";
          upstream behind { server {{store.Endpoint.Authority}}; keepalive 64; }
          server {
            listen 127.0.0.1:{{port}};
            location ~ /manifests/ { proxy_pass http://behind; proxy_cache manifests; proxy_cache_valid 200 5s; proxy_cache_lock on; }
            location / {
              proxy_pass http://behind;
              proxy_buffer_size 64k;
              proxy_buffers 16 64k;
              proxy_busy_buffers_size 128k;
              proxy_max_temp_file_size 0;
            }
          }
        """);

    private static readonly string[] TemporaryPaths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

    private static async Task<PullServer> Start(string name, Func<int, string> http)
    {
        var (folder, port) = (Sandbox.Shared.NewFolder(name), FreePort.Next());
        var temporary = string.Join(' ', TemporaryPaths.Select(kind => $"{kind}_temp_path {folder}/{kind};"));
        await File.WriteAllTextAsync(Path.Combine(folder, "nginx.conf"), $$"""
            daemon off;
            {{(Environment.IsPrivilegedProcess ? "user root;" : "")}}
            worker_processes auto;
            pid {{folder}}/nginx.pid;
            error_log stderr warn;
            events { worker_connections 1024; }
            http {
              access_log off;
              keepalive_requests 100000000;
              {{temporary}}
            {{http(port)}}
            }

            """);
        var process = ServerProcess.Start(Sandbox.Shared, name, folder,
            new ServerCommand("nginx", "-p", folder, "-c", Path.Combine(folder, "nginx.conf"))
            {
                Environment = { ["PATH"] = Environment.GetEnvironmentVariable("PATH") + ":/usr/sbin" },
            });
        var server = new PullServer(name, new Uri($"http://127.0.0.1:{port}/"), process);
        using var client = new HttpClient { BaseAddress = server.Endpoint };
        await process.WaitUntil(async stop => (await client.GetAsync(new Uri("/v2/", UriKind.Relative), stop)).IsSuccessStatusCode);
        return server;
    }
}
