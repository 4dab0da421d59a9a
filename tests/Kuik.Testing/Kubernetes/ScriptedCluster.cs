using Npgsql;

namespace Kuik.Testing;

/// <summary>A <see cref="ScriptedKubernetes"/>, a database and a virtual host, and Kuik's services as processes on them. They are killed at
/// the end.</summary>
public sealed class ScriptedCluster : IAsyncDisposable
{
    private readonly List<KuikService> _services = [];
    private readonly string _admin;

    private ScriptedCluster(ScriptedKubernetes kubernetes, string admin) => (Kubernetes, _admin) = (kubernetes, admin);

    public ScriptedKubernetes Kubernetes { get; }

    /// <summary>Connection string of the event log.</summary>
    public required string Database { get; init; }

    /// <summary>Address of the bus.</summary>
    public required string Bus { get; init; }

    /// <summary>Every service that was started, including those that have ended.</summary>
    public IReadOnlyList<KuikService> Services => _services;

    /// <param name="postgres">Default: the shared one.</param>
    /// <param name="rabbitMq">Default: the shared one.</param>
    /// <param name="isMigrated">False to leave the database empty; otherwise it gets its tables.</param>
    public static async Task<ScriptedCluster> Start(Postgres? postgres = null, RabbitMq? rabbitMq = null, bool isMigrated = true)
    {
        postgres ??= await Postgres.Shared();
        var cluster = new ScriptedCluster(await ScriptedKubernetes.Start(), postgres.AdminConnection)
        {
            Database = await postgres.NewDatabase(),
            Bus = await (rabbitMq ?? await RabbitMq.Shared()).NewVirtualHost(),
        };
        if (isMigrated)
            await cluster.Migrate();
        return cluster;
    }

    /// <summary>Creates this version's tables, as the init container of pod-watcher does.</summary>
    public Task Migrate() => KuikService.Migrate(Options([]));

    /// <summary>Starts a service: a Lease lasts 5 s, sweeps come each second.</summary>
    /// <param name="project">See <see cref="KuikService.Start"/>.</param>
    /// <param name="waitFor">See <see cref="KuikServiceOptions.WaitFor"/>.</param>
    /// <param name="settings">Further ones; they win.</param>
    public async Task<KuikService> StartService(string project, string? waitFor = "readyz", params (string Key, string? Value)[] settings)
    {
        var service = await KuikService.Start(project, Options(settings) with { WaitFor = waitFor, Binaries = Binaries });
        _services.Add(service);
        return service;
    }

    /// <summary>The folder of the services' binaries: see <see cref="KuikServiceOptions.Binaries"/>.</summary>
    public string? Binaries { get; set; }

    private KuikServiceOptions Options((string Key, string? Value)[] settings)
    {
        var all = new Dictionary<string, string?>
        {
            ["KUBECONFIG"] = Kubernetes.Kubeconfig,
            ["ConnectionStrings:Postgres"] = Database,
            ["ConnectionStrings:RabbitMq"] = Bus,
            ["Kuik:LeaseDuration"] = "00:00:05",
            ["Kuik:SweepInterval"] = "00:00:01",
        };
        foreach (var (key, value) in settings)
            all[key] = value;
        return new KuikServiceOptions { Settings = all };
    }

    /// <summary>Runs SQL on the log's database as an administrator, unaffected by the database's defaults.</summary>
    /// <returns>The first value as text; null for none.</returns>
    public Task<string?> Execute(string sql) => Execute(Database, sql);

    /// <summary>Runs SQL beside the log's database, with its name for <c>DATABASE</c>: it may take no connections.</summary>
    /// <returns>The first value as text; null for none.</returns>
    public Task<string?> ExecuteBeside(string sql) =>
        Execute(_admin, sql.Replace("DATABASE", new NpgsqlConnectionStringBuilder(Database).Database, StringComparison.Ordinal));

    /// <summary>Ends every session of the database, as a restart of Postgres does.</summary>
    public Task EndSessions() => ExecuteBeside(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = 'DATABASE' and pid <> pg_backend_pid()");

    /// <summary>The number of events of a type in the log, of one stream or of all.</summary>
    public async Task<int> Count(string type, string? stream = null) => int.Parse(
        (await Execute(
            $"select count(*) from kuik.mt_events where type = '{type}' {(stream is null ? "" : $"and stream_id = '{stream}'")}"))!,
        System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Live pods without a row in the usage table, and rows of pods that are gone; empty when the log says what is. Rows of
    /// workloads are not looked at.</summary>
    public async Task<IReadOnlyList<string>> UsageProblems()
    {
        var live = Kubernetes.Pods.Where(pod => pod.Pod.IsManaged)
            .ToDictionary(pod => pod.Uid, pod => $"{pod.Pod.Namespace}/{pod.Pod.Name}");
        var recorded = ((await Execute("select string_agg(distinct pod_uid, ' ') from kuik.image_users where pod_uid not like '%/%'"))
            ?? "")
            .Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return
        [
            .. live.Keys.Except(recorded).Select(uid => $"pod {live[uid]} is not recorded"),
            .. recorded.Except(live.Keys).Select(uid => $"pod {uid} is gone and recorded as live"),
        ];
    }

    /// <summary>Waits until the usage table has exactly the live pods.</summary>
    /// <param name="within">Default 60 s.</param>
    public async Task UsageIsRight(TimeSpan? within = null)
    {
        IReadOnlyList<string> problems = [];
        try
        {
            await Eventually.True(async () =>
                (problems = await UsageProblems()).Count == 0, "the usage table says which pods live", within);
        }
        catch (TimeoutException late)
        {
            throw new TimeoutException($"{late.Message}: {string.Join(", ", problems.Take(10))} ({problems.Count} in all)", late);
        }
    }

    /// <summary>The text of a service's <c>/readyz</c>.</summary>
    public static async Task<string> Readiness(KuikService service)
    {
        using var http = new HttpClient();
        using var answer = await http.GetAsync(new Uri(service.Health, "readyz"));
        return await answer.Content.ReadAsStringAsync();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var service in _services)
            service.Kill();
        await Kubernetes.DisposeAsync();
    }

    private static async Task<string?> Execute(string connectionString, string sql)
    {
        var options = new NpgsqlConnectionStringBuilder(connectionString)
        {
            Pooling = false,
            // auto_explain, where it is loaded, is to show what the services send.
            Options = "-c default_transaction_read_only=off -c statement_timeout=0 -c auto_explain.log_min_duration=-1",
        };
        await using var connection = new NpgsqlConnection(options.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 600 };
        return (await command.ExecuteScalarAsync())?.ToString();
    }
}
