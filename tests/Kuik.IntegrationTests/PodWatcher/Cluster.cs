using Kuik.EventLog;
using Kuik.IntegrationTests.EventLog;
using Kuik.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.PodWatcher;

/// <summary>A Kubernetes API of these tests' own, with our resource definitions: pod-watcher follows a whole cluster, so nothing else may
/// be in it.</summary>
public sealed class Cluster : IAsyncLifetime
{
    public KubernetesApi Api { get; private set; } = null!;

    /// <summary>With the credentials of pod-watcher's ServiceAccount.</summary>
    public string Kubeconfig { get; private set; } = "";

    /// <summary>With the credentials of image-fetcher's ServiceAccount.</summary>
    public string FetcherKubeconfig { get; private set; } = "";

    /// <summary>With the credentials of expiry's ServiceAccount.</summary>
    public string ExpiryKubeconfig { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        Api = await KubernetesApi.StartOwn();
        await Api.NewNamespace("kuik-system");
        await Api.Kubectl("apply", "-k", Path.Combine(Root(), "deploy/kustomize/base/crds"));
        await Api.Apply(await ShippedRights());
        await Api.Kubectl("wait", "--for=condition=Established", "crd/cachedimages.kuik.enix.io", "crd/repositories.kuik.enix.io");
        await Api.NewNamespace("apps");
        Kubeconfig = await WriteKubeconfig("kuik-pod-watcher");
        FetcherKubeconfig = await WriteKubeconfig("kuik-image-fetcher");
        ExpiryKubeconfig = await WriteKubeconfig("kuik-expiry");
    }

    // Services run as their ServiceAccounts, with the rights that deploy/kustomize gives them and no more.
    private static async Task<string> ShippedRights()
    {
        var built = await KubectlProgram.Build(Path.Combine(Root(), "deploy/kustomize/overlays/default"));
        string[] kinds = ["ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"];
        var documents = built.Output.Split("---\n")
            .Where(document => kinds.Any(kind => document.Contains($"\nkind: {kind}\n", StringComparison.Ordinal)));
        return built.ExitCode == 0
            ? string.Join("---\n", documents)
            : throw new ServerFailedException($"the default overlay cannot be built: {built.Errors.Trim()}");
    }

    private async Task<string> WriteKubeconfig(string account)
    {
        var token = await Api.Kubectl("create", "token", "-n", "kuik-system", account, "--duration=8h");
        var server = await Api.Kubectl("config", "view", "--raw", "-o", "jsonpath={.clusters[0].cluster.server}");
        var authority = await Api.Kubectl("config", "view", "--raw", "-o", "jsonpath={.clusters[0].cluster.certificate-authority-data}");
        var file = Path.Combine(Sandbox.Shared.NewFolder(account), "kubeconfig");
        await File.WriteAllTextAsync(file, $$"""
            apiVersion: v1
            kind: Config
            current-context: kuik
            clusters: [{name: kuik, cluster: {server: "{{server.Trim()}}", certificate-authority-data: "{{authority.Trim()}}"} }]
            users: [{name: account, user: {token: "{{token.Trim()}}"} }]
            contexts: [{name: kuik, context: {cluster: kuik, user: account} }]
            """);
        return file;
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>The folder that holds Kuik.sln.</summary>
    public static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Kuik.sln")))
            folder = folder.Parent!;
        return folder.FullName;
    }
}

/// <summary>These tests take turns in one cluster.</summary>
[CollectionDefinition(nameof(Cluster))]
public sealed class ClusterCollection : ICollectionFixture<Cluster>;

/// <summary>One test's log, broker and replicas of pod-watcher; at the end the cluster has no pod and no resource of ours left.</summary>
public sealed class Watchers(KubernetesApi api, string kubeconfig) : IAsyncDisposable
{
    private readonly List<KuikService> replicas = [];

    /// <summary>Connection string of the log.</summary>
    public string Log { get; private set; } = "";

    private string broker = "";

    public static async Task<Watchers> In(Cluster cluster)
    {
        return new Watchers(cluster.Api, cluster.Kubeconfig)
        {
            Log = await MigratedDatabase.New(),
            broker = await (await RabbitMq.Shared()).NewVirtualHost(),
        };
    }

    /// <summary>Starts a replica and waits until it is ready.</summary>
    /// <param name="waitFor">See <see cref="KuikServiceOptions.WaitFor"/>.</param>
    /// <param name="more">Further settings.</param>
    public async Task<KuikService> Start(string waitFor = "readyz", params (string Key, string Value)[] more)
    {
        var settings = new Dictionary<string, string?>
        {
            ["KUBECONFIG"] = kubeconfig,
            ["ConnectionStrings:Postgres"] = Log,
            ["ConnectionStrings:RabbitMq"] = broker,
            ["Kuik:LeaseDuration"] = "00:00:05",
        };
        foreach (var (key, value) in more)
            settings[key] = value;
        var replica = await KuikService.Start("PodWatcher", new KuikServiceOptions { Settings = settings, WaitFor = waitFor });
        replicas.Add(replica);
        return replica;
    }

    /// <summary>All events, in order: stream, space, type.</summary>
    public async Task<IReadOnlyList<string>> Events()
    {
        await using var connection = new NpgsqlConnection(Log);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("select stream_id || ' ' || type from kuik.mt_events order by seq_id", connection);
        await using var rows = await command.ExecuteReaderAsync();
        var events = new List<string>();
        while (await rows.ReadAsync())
            events.Add(rows.GetString(0));
        return events;
    }

    /// <summary>How many events of a type there are, of one stream or of all.</summary>
    public async Task<int> Count(string type, string stream = "") =>
        (await Events()).Count(e => e.EndsWith(" " + type, StringComparison.Ordinal) && e.StartsWith(stream, StringComparison.Ordinal));

    /// <summary>Runs SQL on the log's database.</summary>
    /// <returns>The first value, if there is one.</returns>
    public async Task<object?> Execute(string sql)
    {
        await using var connection = new NpgsqlConnection(Log);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync();
    }

    /// <summary>A replica's response of <c>/readyz</c>.</summary>
    public static async Task<string> Readiness(KuikService service)
    {
        using var http = new HttpClient();
        using var answer = await http.GetAsync(new Uri(service.Health, "readyz"), TestContext.Current.CancellationToken);
        return await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>A pod as the webhook leaves it.</summary>
    public async Task<string> Pod(string name, params string[] images)
    {
        var containers = string.Join(',', images.Select((image, i) => $$"""{"name":"c{{i}}","image":"localhost:7439/{{image}}"}"""));
        var annotations = string.Join(',', images.Select((image, i) => $"\"original-image-c{i}\":\"{image}\""));
        await api.Apply($$$"""
            {"apiVersion":"v1","kind":"Pod",
             "metadata":{"name":"{{{name}}}","namespace":"apps","labels":{"kuik.enix.io/managed":"true"},"annotations":{ {{{annotations}}} } },
             "spec":{"containers":[{{{containers}}}]}}
            """);
        return (await api.Kubectl("get", "pod", "-n", "apps", name, "-o", "jsonpath={.metadata.uid}")).Trim();
    }

    /// <summary>The pod is gone at once, as when its kubelet has let go of it.</summary>
    public Task DeletePod(string name) => api.Kubectl("delete", "pod", "-n", "apps", name, "--grace-period=0", "--force");

    /// <summary>One field of a CachedImage; empty when it or the resource is not there.</summary>
    public async Task<string> Field(string name, string jsonPath) =>
        (await api.TryKubectl(["get", "cachedimage", name, "--ignore-not-found", "-o", $"jsonpath={{{jsonPath}}}"])).Output.Trim();

    /// <summary>Waits until a field of a CachedImage has a value.</summary>
    public Task Shows(string name, string jsonPath, string value) =>
        Eventually.True(async () => await Field(name, jsonPath) == value, $"CachedImage {name} shows {jsonPath} = {value}");

    /// <summary>Appends events of the services that are not there to an image's stream.</summary>
    public Task Append(string image, params object[] facts) => AppendTo(Log, image, facts);

    /// <summary>The same in any log.</summary>
    public static async Task AppendTo(string log, string image, params object[] facts)
    {
        var builder = WebApplication.CreateBuilder();
        builder.Configuration["ConnectionStrings:Postgres"] = log;
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        builder.AddKuikEventLog("test");
        await using var app = builder.Build();
        foreach (var service in app.Services.GetServices<IHostedService>())
            await service.StartAsync(CancellationToken.None);
        await app.Services.GetRequiredService<EventLogTransactions>().Execute(
            async transaction =>
            {
                var stream = await transaction.ReadImage(image, CancellationToken.None);
                foreach (var fact in facts)
                    stream.Append(fact);
            },
            CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var replica in replicas)
            replica.Kill();
        await api.Kubectl("delete", "pods", "-n", "apps", "--all", "--grace-period=0", "--force");
        await api.Kubectl("delete", "cachedimages,repositories", "--all");
        await api.Kubectl("delete", "lease", "-n", "kuik-system", "kuik-pod-watcher", "--ignore-not-found");
    }
}
