using System.Text;
using Kuik.Testing;
using Npgsql;

namespace Kuik.Run;

/// <summary>
/// The processes and data of <c>make run</c>, recorded in <c>artifacts/run</c>, so that <c>make stop</c> ends them and nothing else.
/// </summary>
/// <param name="folder">artifacts/run.</param>
internal sealed class RunState(string folder)
{
    private string SandboxFile => Path.Combine(folder, "sandbox");

    /// <summary>True when an earlier run has not been stopped.</summary>
    public bool HasStarted => File.Exists(SandboxFile);

    private string EnvFile => Path.Combine(folder, "env");

    /// <summary>A folder for the servers' data, recorded before the first of them starts.</summary>
    public Sandbox NewSandbox()
    {
        // Not in the checkout: Postgres runs as a user of its own, which may not be able to enter it.
        var sandbox = Sandbox.Kept(Path.Combine(Path.GetTempPath(), $"kuik-run-{Path.GetRandomFileName()[..8]}"));
        Directory.CreateDirectory(folder);
        File.WriteAllText(SandboxFile, sandbox.Root);
        return sandbox;
    }

    /// <summary>Ends every process of an earlier run and deletes its data. False when there is none.</summary>
    public bool Stop()
    {
        if (!File.Exists(SandboxFile))
            return false;
        var root = File.ReadAllText(SandboxFile).Trim();
        var existed = Directory.Exists(root);
        if (existed)
            Sandbox.Kept(root).End();
        File.Delete(SandboxFile);
        File.Delete(EnvFile);
        return existed;
    }

    /// <summary>Writes the addresses to <c>artifacts/run/env</c>.</summary>
    public void Remember(Started started)
    {
        var kuik = started.Kuik;
        (string Name, string Value)[] assignments =
        [
            ("KUBECONFIG", kuik.Kubernetes.Kubeconfig),
            ("KUIK_PROXY", $"http://{kuik.Proxy}"),
            ("KUIK_PROXY_HEALTH", kuik.NodeProxy.Health.ToString()),
            ("KUIK_WEBHOOK", kuik.Webhook.Endpoint.ToString()),
            ("KUIK_POD_WATCHER", kuik.PodWatcher.Endpoint.ToString()),
            .. kuik.ImageFetchers.Select((fetcher, i) => ($"KUIK_IMAGE_FETCHER_{i + 1}", fetcher.Endpoint.ToString())),
            ("KUIK_EXPIRY", kuik.Expiry.Endpoint.ToString()),
            ("KUIK_CACHE", kuik.Cache.Endpoint.ToString()),
            ("KUIK_ORIGIN", started.Origin.Endpoint.ToString()),
            ("KUIK_POSTGRES", kuik.Database),
            ("KUIK_RABBITMQ", kuik.Bus),
            ("KUIK_RABBITMQ_MANAGEMENT", kuik.RabbitMq.Management.ToString()),
        ];
        var text = new StringBuilder();
        foreach (var (name, value) in assignments)
            text.Append(name).Append("='").Append(value).Append("'\n");
        File.WriteAllText(EnvFile, text.ToString());
    }

    /// <summary>Prints the addresses, commands to try and how to stop it.</summary>
    public void Tell(Started started)
    {
        var kuik = started.Kuik;
        Console.WriteLine($"""

            Everything runs on. Try next:
              . {Path.GetRelativePath(Checkout.Root, EnvFile)}; export KUBECONFIG
              kubectl get cachedimages -o wide
              kubectl -n {Started.Namespace} run again --image={started.Image} --restart=Never
              kubectl -n {Started.Namespace} get pods -o custom-columns=NAME:.metadata.name,IMAGE:.spec.containers[*].image
              kubectl -n {Started.Namespace} delete pod --all --force
              kubectl get cachedimages -w     # unused: it expires after {Started.ExpiryDelay}
              skopeo inspect --raw --tls-verify=false docker://{started.Local}
              curl -s {kuik.NodeProxy.Health}metrics | grep kube_image_keeper

            KUBECONFIG={kuik.Kubernetes.Kubeconfig}
            pulls {kuik.Proxy}   cache registry {kuik.Cache.Host}   origin {started.Origin.Host}
            webhook {kuik.Webhook.Endpoint}   pod-watcher {kuik.PodWatcher.Endpoint}   expiry {kuik.Expiry.Endpoint}
            image-fetcher {string.Join(' ', kuik.ImageFetchers.Select(f => f.Endpoint))}
            Postgres {Postgres(kuik)}   RabbitMQ {new Uri(kuik.Bus).Authority}
            RabbitMQ's management {kuik.RabbitMq.Management} (user and password: kuik)
            All of it as shell assignments: {Path.GetRelativePath(Checkout.Root, EnvFile)}
            Logs: {File.ReadAllText(SandboxFile)}/*/*.log
            Stop with: make stop
            """);
    }

    private static string Postgres(WholeKuik kuik)
    {
        var parts = new NpgsqlConnectionStringBuilder(kuik.Database);
        return $"{parts.Host}:{parts.Port}/{parts.Database}";
    }
}
