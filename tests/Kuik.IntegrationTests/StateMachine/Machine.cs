using System.Globalization;
using Kuik.Testing;
using Npgsql;

namespace Kuik.IntegrationTests.StateMachine;

/// <summary>
/// The control plane of one schedule on a log, a broker's virtual host, a cache registry and an origin of its own, and what has been done
/// to it so far. All services as shipped: two image-fetchers, one of each other one at first, and a second pod-watcher and expiry later.
/// </summary>
internal sealed class Machine : IAsyncDisposable
{
    /// <summary>How long an image stays after its last use.</summary>
    public static readonly TimeSpan ExpiryDelay = TimeSpan.FromSeconds(8);

    /// <summary>How many images there are.</summary>
    public const int ImageCount = 10;

    /// <summary>The number of the first image that random steps do not touch.</summary>
    public const int QuietImage = ImageCount - 2;

    /// <summary>The number of the other one.</summary>
    public const int SteadyImage = ImageCount - 1;

    private readonly MachineServers _servers;
    private readonly string _database;

    private Machine(MachineServers servers, string database, string bus, KubernetesFront front, ScriptedOrigin origin, Registry cache)
    {
        (_servers, _database, Bus, Front, Origin, Cache) = (servers, database, bus, front, origin, cache);
        User = new ClusterUser(front);
        Content = new CacheContent(cache);
        Node = new NodePulls(this);
        Upkeep = new Upkeep(this, database);
        for (var i = 0; i < ImageCount; i++)
        {
            ImageNames.Add($"{origin.Host}/team/app-{i % 3}:v{i}");
            Versions.Add([]);
            MoveTag(i);
        }
    }

    public Postgres Postgres => _servers.Postgres;

    public RabbitMq RabbitMq => _servers.RabbitMq;

    /// <summary>Address of the bus.</summary>
    public string Bus { get; }

    public KubernetesFront Front { get; }

    public ClusterUser User { get; }

    public ScriptedOrigin Origin { get; }

    public Registry Cache { get; }

    public CacheContent Content { get; }

    /// <summary>Pulls through the node's proxy.</summary>
    public NodePulls Node { get; }

    /// <summary>What is run beside the services.</summary>
    public Upkeep Upkeep { get; }

    public MachineServices Services { get; private set; } = null!;

    /// <summary>The images' references.</summary>
    public List<string> ImageNames { get; } = [];

    /// <summary>What each image's tag has named at the origin, oldest first.</summary>
    public List<List<TestImage>> Versions { get; } = [];

    /// <summary>Live pods: the images of each.</summary>
    public Dictionary<string, (string Uid, IReadOnlyList<int> Images)> Pods { get; } = [];

    /// <summary>Workloads whose templates name an image.</summary>
    public Dictionary<string, (string Kind, string Uid, int Image)> Workloads { get; } = [];

    /// <summary>Images that a person retains.</summary>
    public HashSet<int> Retained { get; } = [];

    /// <summary>Images whose CachedImage a person has deleted at some time.</summary>
    public HashSet<int> Deleted { get; } = [];

    /// <summary>Images of which the registry has lost something that is not known to be repaired.</summary>
    public HashSet<int> Lost { get; } = [];

    /// <summary>The number of versions that there were when a person last asked for a comparison.</summary>
    public Dictionary<int, int> Refreshed { get; } = [];

    /// <summary>Images that were in the cache, all of them, while a live user was recorded that has not gone since.</summary>
    public HashSet<int> Guarded { get; } = [];

    public bool IsPostgresUp { get; private set; } = true;

    public bool IsCacheUp { get; private set; } = true;

    public bool IsOriginUp { get; private set; } = true;

    /// <summary>False: damaged blobs are not looked for; a planted fault.</summary>
    public bool Scrubs { get; init; } = true;

    /// <summary>Starts everything; ready when it returns.</summary>
    /// <param name="servers">Shared by all schedules.</param>
    /// <param name="plant">Settings of a planted fault, which win; and whether damage is looked for.</param>
    public static async Task<Machine> Start(MachineServers servers, PlantedFault? plant = null)
    {
        var machine = new Machine(servers, await servers.NewLog(), await servers.RabbitMq.NewVirtualHost(),
            await KubernetesFront.Start(servers.Kubernetes), await ScriptedOrigin.Start(),
            await Registry.Start(new RegistryOptions { Name = "cache" }))
        {
            Scrubs = plant?.Scrubs ?? true,
        };
        await machine.User.Clear();
        if (plant is not null)
            await plant.Begin(machine);
        machine.Services = new MachineServices(machine.Settings(), plant, servers.Webhook);
        await machine.Services.StartFirst();
        // The API server finds out in the background that the webhook of the last schedule is back.
        for (var attempt = 0; attempt < 20 && !await machine.User.AreRewritten(); attempt++)
            await Task.Delay(TimeSpan.FromMilliseconds(250));
        return machine;
    }

    /// <summary>The users of an image, by their keys in the usage table.</summary>
    public IReadOnlySet<string> UsersOf(int image) =>
        Pods.Values.Where(pod => pod.Images.Contains(image)).Select(pod => pod.Uid)
            .Concat(Workloads.Values.Where(workload => workload.Image == image).Select(workload => $"{workload.Kind}/{workload.Uid}"))
            .ToHashSet();

    /// <summary>The tag names other content at the origin from now on.</summary>
    public void MoveTag(int image)
    {
        var version = TestImage.Small(seed: 7000 + image + (100 * Versions[image].Count));
        Versions[image].Add(version);
        Origin.Add($"team/app-{image % 3}", $"v{image}", version);
    }

    /// <summary>Runs SQL on the log.</summary>
    /// <returns>The rows' first columns as text.</returns>
    public async Task<IReadOnlyList<string>> Query(string sql)
    {
        await using var connection = await Connect();
        await using var command = new NpgsqlCommand(sql, connection);
        await using var rows = await command.ExecuteReaderAsync();
        var values = new List<string>();
        while (await rows.ReadAsync())
            values.Add(rows.GetValue(0).ToString()!);
        return values;
    }

    /// <summary>A connection to the log, not from the pool.</summary>
    public async Task<NpgsqlConnection> Connect()
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(_database) { Pooling = false }.ConnectionString);
        await connection.OpenAsync();
        return connection;
    }

    /// <summary>Appends events to an image's stream, which no service has decided.</summary>
    public Task Append(int image, params object[] facts) => PodWatcher.Watchers.AppendTo(_database, ImageNames[image], facts);

    public async Task StopPostgres()
    {
        IsPostgresUp = false;
        await Postgres.Stop();
    }

    public async Task StartPostgres()
    {
        await Postgres.Start();
        IsPostgresUp = true;
    }

    public async Task StopCache()
    {
        IsCacheUp = false;
        await Cache.Stop();
    }

    public async Task StartCache()
    {
        await Cache.Restart();
        IsCacheUp = true;
    }

    /// <summary>The origin answers every request like this; null for as it should.</summary>
    public void BreakOrigin(Misbehaviour? answer)
    {
        IsOriginUp = answer is null;
        Origin.Script = _ => answer;
    }

    /// <summary>A pod comes and is a user, if the webhook has rewritten it: else it pulls without Kuik.</summary>
    public async Task AddPod(string name, IReadOnlyList<int> images)
    {
        if (await User.CreatePod(name, [.. images.Select(image => ImageNames[image])]) is { } uid)
            Pods[name] = (uid, images);
    }

    public async ValueTask DisposeAsync()
    {
        Services.Dispose();
        Upkeep.KillCollection();
        Node.Dispose();
        await User.Clear();
        User.Dispose();
        await Front.DisposeAsync();
        await Origin.DisposeAsync();
        await Cache.Stop();
    }

    private (string Key, string? Value)[] Settings() =>
    [
        ("KUBECONFIG", Front.Kubeconfig), ("ConnectionStrings:Postgres", _database), ("ConnectionStrings:RabbitMq", Bus),
        ("Kuik:LeaseDuration", "00:00:05"), ("Kuik:SweepInterval", "00:00:01"),
        ("Kuik:ExpiryDelay", ExpiryDelay.ToString("c", CultureInfo.InvariantCulture)),
        ("Kuik:RequestLease", "00:00:05"), ("Kuik:Fetch:Lease", "00:00:05"), ("Kuik:Fetch:DrainLimit", "00:00:05"),
        ("Kuik:Verify:Interval", "00:00:02"), ("Kuik:FollowedWorkloads", "Deployment,StatefulSet,DaemonSet"),
        ("Kuik:Cache:Endpoint", Cache.Endpoint.ToString()), ("Kuik:InsecureRegistries:0", $"http://{Origin.Host}"),
    ];
}
