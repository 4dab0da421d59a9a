using System.Net;
using System.Text.Json;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.IntegrationTests.EventLog;
using Kuik.Testing;
using Marten;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Kuik.IntegrationTests.ImageFetcher;

/// <summary>
/// All that image-fetcher needs around it, real and its own: a database, a broker's virtual host, an origin and a cache registry. The test
/// takes pod-watcher's part: it appends what pod-watcher would, and hosts the relay.
/// </summary>
internal sealed class FetcherWorld : IAsyncDisposable
{
    /// <summary>A replica's setting, to log whatever can be logged: named for the console, it wins over what is silenced in code.</summary>
    public static readonly (string Key, string? Value) LogsEverything = ("Logging:Console:LogLevel:Default", "Trace");

    private readonly WebApplication log;
    private readonly List<KuikService> services = [];
    private readonly string spools = Sandbox.Shared.NewFolder("spools");
    private int counter;

    private FetcherWorld(WebApplication log, string database, string broker, Registry origin, Registry cache) =>
        (this.log, Database, Broker, Origin, Cache) = (log, database, broker, origin, cache);

    public string Database { get; }

    public string Broker { get; }

    public Registry Origin { get; }

    public Registry Cache { get; }

    private EventLogTransactions Log => log.Services.GetRequiredService<EventLogTransactions>();

    /// <param name="origin">Default: one without authentication.</param>
    /// <param name="rabbit">Default: the shared one.</param>
    /// <param name="postgres">Default: the shared one.</param>
    public static async Task<FetcherWorld> Start(RegistryOptions? origin = null, RabbitMq? rabbit = null, Postgres? postgres = null)
    {
        var database = await MigratedDatabase.New(postgres ?? await Postgres.Shared());
        var broker = await (rabbit ?? await RabbitMq.Shared()).NewVirtualHost();
        var world = new FetcherWorld(
            StartLog(database, broker), database, broker,
            await Registry.Start(origin ?? new RegistryOptions { Name = "origin" }),
            await Registry.Start(new RegistryOptions { Name = "cache" }));
        await world.log.StartAsync();
        await world.log.Services.GetRequiredService<EventLogReady>().Wait(CancellationToken.None);
        return world;
    }

    /// <summary>Starts a replica and waits until it is ready; it is killed at the end.</summary>
    public Task<KuikService> StartFetcher(params (string Key, string? Value)[] settings) => StartFetcher(null, settings);

    /// <inheritdoc cref="StartFetcher(ValueTuple{string, string}[])"/>
    public async Task<KuikService> StartFetcher(int? port, params (string Key, string? Value)[] settings)
    {
        var all = new Dictionary<string, string?>
        {
            ["ConnectionStrings:Postgres"] = Database,
            ["ConnectionStrings:RabbitMq"] = Broker,
            ["Kuik:Cache:Endpoint"] = Cache.Endpoint.ToString(),
            ["Kuik:InsecureRegistries:0"] = $"http://{Origin.Host}",
            ["Kuik:Fetch:SpoolPath"] = Path.Combine(spools, $"{Interlocked.Increment(ref counter)}"),
            ["KUBECONFIG"] = NoKubernetes(),
        };
        foreach (var (key, value) in settings)
            all[key] = value;
        var fetcher = await KuikService.Start("ImageFetcher", new KuikServiceOptions { Settings = all, Port = port });
        services.Add(fetcher);
        if (all["ConnectionStrings:RabbitMq"] == Broker)
            await TakesPart(fetcher);
        return fetcher;
    }

    /// <summary>Starts the real expiry.</summary>
    public async Task StartExpiry(params (string Key, string? Value)[] settings)
    {
        var all = settings.Append(("ConnectionStrings:Postgres", Database)).Append(("ConnectionStrings:RabbitMq", Broker));
        services.Add(await KuikService.Start("Expiry",
            new KuikServiceOptions { Settings = all.ToDictionary(setting => setting.Item1, setting => setting.Item2) }));
    }

    /// <summary>Waits until a replica has the event log and the bus: it is ready before, for pulls, and what is published before its queue
    /// exists is lost.</summary>
    public static async Task TakesPart(KuikService fetcher)
    {
        using var http = new HttpClient { BaseAddress = fetcher.Health };
        await Eventually.True(
            async () => await http.GetStringAsync(new Uri("/readyz", UriKind.Relative)) is var ready
                && ready.Contains("masstransit-bus: Healthy", StringComparison.Ordinal)
                && ready.Contains("postgres: Healthy", StringComparison.Ordinal),
            "the replica has the event log and the bus");
    }

    /// <summary>How much of blobs under way is on the replicas' disks.</summary>
    public long SpooledBytes() =>
        Directory.EnumerateFiles(spools, "*", SearchOption.AllDirectories)
            .Sum(file => new FileInfo(file) is { Exists: true } spooled ? spooled.Length : 0);

    /// <summary>Pulls through a replica as node-proxy does: an answer may say that the work goes on.</summary>
    /// <param name="fetcher">Whom to ask.</param>
    /// <param name="image">Any image of the repository.</param>
    /// <param name="what">For example <c>manifests/1</c>.</param>
    public static async Task<byte[]> Pull(KuikService fetcher, string image, string what)
    {
        using var http = new HttpClient { BaseAddress = fetcher.Endpoint };
        foreach (var type in Kuik.Oci.MediaTypes.Manifests)
            http.DefaultRequestHeaders.Accept.ParseAdd(type);
        var path = new Uri($"/v2/{CachePath.Of(ImageReference.Parse(image))}/{what}", UriKind.Relative);
        byte[]? body = null;
        await Eventually.True(
            async () =>
            {
                using var answer = await http.GetAsync(path);
                if (answer.StatusCode == HttpStatusCode.Accepted)
                    return false;
                answer.EnsureSuccessStatusCode();
                body = await answer.Content.ReadAsByteArrayAsync();
                return true;
            },
            $"{path} was answered");
        return body!;
    }

    /// <summary>Pulls an image's manifest through a replica, which is refused.</summary>
    /// <returns>The error's body.</returns>
    public static async Task<string> Refused(KuikService fetcher, string image)
    {
        using var http = new HttpClient { BaseAddress = fetcher.Endpoint };
        var name = ImageReference.Parse(image);
        var body = "";
        await Eventually.True(
            async () =>
            {
                using var answer = await http.GetAsync(new Uri($"/v2/{CachePath.Of(name)}/manifests/{name.Target}", UriKind.Relative));
                body = await answer.Content.ReadAsStringAsync();
                return answer.StatusCode == HttpStatusCode.Unauthorized;
            },
            $"{image} was refused");
        return body;
    }

    /// <summary>Records facts about an image, one transaction each, as their writers do.</summary>
    public async Task Append(string image, params object[] facts)
    {
        foreach (var fact in facts)
        {
            await Log.Execute(async transaction =>
            {
                var stream = await transaction.ReadImage(image, CancellationToken.None);
                stream.Append(fact);
            }, CancellationToken.None);
        }
    }

    /// <summary>Publishes what expiry does about work that is due.</summary>
    public Task Announce(object due) => log.Services.GetRequiredService<MassTransit.IBus>().Publish(due, CancellationToken.None);

    /// <summary>UTC: until when the lease on a copy goes; null when there is none.</summary>
    public async Task<DateTime?> LeaseUntil(string image)
    {
        await using var command = log.Services.GetRequiredService<Npgsql.NpgsqlDataSource>()
            .CreateCommand("select lease_until from kuik.work where kind = 'fetch' and image = $1");
        command.Parameters.Add(new() { Value = image });
        return await command.ExecuteScalarAsync() as DateTime?;
    }

    /// <summary>Whether the cache registry is looked at for the image within this time.</summary>
    public async Task<bool> IsVerifiedWithin(string image, TimeSpan time)
    {
        await using var command = log.Services.GetRequiredService<Npgsql.NpgsqlDataSource>()
            .CreateCommand("select wake_at <= now() + $2 from kuik.work where kind = 'verify' and image = $1");
        command.Parameters.Add(new() { Value = image });
        command.Parameters.Add(new() { Value = time });
        return await command.ExecuteScalarAsync() is true;
    }

    /// <summary>The log of this world is empty from now on, as after the loss of Postgres; no replica may run.</summary>
    public async Task LoseLog()
    {
        await using var command = log.Services.GetRequiredService<Npgsql.NpgsqlDataSource>()
            .CreateCommand("truncate kuik.mt_events, kuik.mt_streams, kuik.image_states, kuik.work, kuik.image_users");
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>The event that pod-watcher records for the first pod of an image.</summary>
    public Task Request(string image) =>
        Append(image, new RequestedByPod(image, image, $"pod-{Interlocked.Increment(ref counter)}", DateTimeOffset.UtcNow));

    /// <summary>A pod that brings pull secrets, as it stands in the usage table.</summary>
    public Task AddPod(string @namespace, string image, params string[] pullSecrets) => Log.Execute(
        transaction => ImageUsers.Replace(
            transaction.Connection,
            new PodObserved($"uid-{Interlocked.Increment(ref counter)}", @namespace, "web", [new PodImage("app", image, image)],
                pullSecrets, DateTimeOffset.UtcNow),
            CancellationToken.None),
        CancellationToken.None);

    /// <summary>A pod that runs a digest, as it stands in the usage table.</summary>
    /// <returns>Its uid.</returns>
    public async Task<string> AddRunningPod(string @namespace, string image, string digest)
    {
        var uid = $"uid-{Interlocked.Increment(ref counter)}";
        var images = new PodImage[] { new("app", image, image) { Digest = digest } };
        await AppendToPod(uid, new PodObserved(uid, @namespace, "web", images, [], DateTimeOffset.UtcNow));
        return uid;
    }

    public Task RemovePod(string uid) => AppendToPod(uid, new PodGone(uid, "default", "web", [], DateTimeOffset.UtcNow));

    private Task AppendToPod(string uid, object fact) => Log.Execute(
        async transaction => (await transaction.Read(StreamName.OfPod(uid), "", (state, _) => state, CancellationToken.None)).Append(fact),
        CancellationToken.None);

    /// <summary>Configures a repository, as pod-watcher does.</summary>
    public Task Configure(string repository, TimeSpan updateInterval) =>
        Configure(repository, new RepositoryConfiguration { UpdateInterval = updateInterval });

    /// <inheritdoc cref="Configure(string, TimeSpan)"/>
    public Task Configure(string repository, RepositoryConfiguration wanted) => Log.Execute(
        transaction => RepositoryConfigurations.Change(transaction, repository, wanted, CancellationToken.None), CancellationToken.None);

    /// <summary>Has the image's repository swept by a replica, as a while after an eviction.</summary>
    public async Task Sweep(string image)
    {
        var repository = CachePath.Of(ImageReference.Parse(image));
        await using var connection = await log.Services.GetRequiredService<Npgsql.NpgsqlDataSource>().OpenConnectionAsync();
        await PendingSweeps.Note(connection, repository, CancellationToken.None);
        await using var quiet =
            new Npgsql.NpgsqlCommand("update kuik.pending_sweeps set last_noted = now() - interval '1 hour'", connection);
        await quiet.ExecuteNonQueryAsync();
        await using var open = new Npgsql.NpgsqlCommand(
            "select count(*) from kuik.pending_sweeps where attempts > 0 or not_before <= now()", connection);
        await Eventually.True(async () => (long)(await open.ExecuteScalarAsync())! == 0, $"{repository} was swept");
    }

    /// <summary>Waits until everything in the log has been published.</summary>
    public async Task Relayed()
    {
        await using var command = log.Services.GetRequiredService<Npgsql.NpgsqlDataSource>().CreateCommand($"""
            select last_seq_id >= (select max(seq_id) from kuik.mt_events) from kuik.mt_event_progression
            where name = '{Relay.ShardName}:All'
            """);
        await Eventually.True(async () => await command.ExecuteScalarAsync() is true, "everything in the log has been published");
    }

    /// <summary>The image's stream.</summary>
    public async Task<IReadOnlyList<object>> Events(string image)
    {
        await using var session = log.Services.GetRequiredService<IDocumentStore>().LightweightSession();
        return [.. (await session.Events.FetchStreamAsync(StreamName.OfImage(image))).Select(fact => fact.Data)];
    }

    /// <summary>Waits for a fact.</summary>
    /// <returns>The last of its kind.</returns>
    public async Task<T> Recorded<T>(string image, Func<T, bool>? isIt = null) where T : class
    {
        T? found = null;
        try
        {
            await Eventually.True(async () =>
                (found = (await Events(image)).OfType<T>().LastOrDefault(fact => isIt?.Invoke(fact) != false)) is not null,
                $"{typeof(T).Name} of {image} was recorded");
        }
        catch (TimeoutException late)
        {
            throw new TimeoutException(
                $"{late.Message}; recorded were "
                    + $"{string.Join(", ", await Events(image))}\n{string.Join('\n', services.Select(service => service.Log))}", late);
        }
        return found!;
    }

    /// <summary>Everything that the log holds, as text.</summary>
    public async Task<string> WholeLog()
    {
        await using var session = log.Services.GetRequiredService<IDocumentStore>().LightweightSession();
        return JsonSerializer.Serialize((await session.Events.QueryAllRawEvents().ToListAsync())
            .Select(fact => new { fact.Data, fact.Headers }));
    }

    /// <summary>A manifest as the cache registry has it; null when it does not.</summary>
    public async Task<byte[]?> InCache(string image, string? target = null)
    {
        var name = ImageReference.Parse(image);
        using var http = Cache.Client(CachePath.Of(name));
        foreach (var type in Kuik.Oci.MediaTypes.Manifests)
            http.DefaultRequestHeaders.Accept.ParseAdd(type);
        using var answer = await http.GetAsync(new Uri($"/v2/{CachePath.Of(name)}/manifests/{target ?? name.Target}", UriKind.Relative));
        return answer.IsSuccessStatusCode ? await answer.Content.ReadAsByteArrayAsync() : null;
    }

    /// <summary>A blob as the cache registry has it; null when it does not.</summary>
    public async Task<byte[]?> BlobInCache(string image, string digest)
    {
        var path = CachePath.Of(ImageReference.Parse(image));
        using var http = Cache.Client(path);
        using var answer = await http.GetAsync(new Uri($"/v2/{path}/blobs/{digest}", UriKind.Relative));
        return answer.IsSuccessStatusCode ? await answer.Content.ReadAsByteArrayAsync() : null;
    }

    /// <summary>Those of the images that are not recorded as cached.</summary>
    public async Task<IReadOnlyList<string>> NotCached(IEnumerable<string> images)
    {
        var open = new List<string>();
        foreach (var image in images)
            if (!(await Events(image)).OfType<ImageCached>().Any())
                open.Add(image);
        return open;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var service in services)
            service.Kill();
        await log.StopAsync();
        await log.DisposeAsync();
    }

    private static WebApplication StartLog(string database, string broker)
    {
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration["ConnectionStrings:Postgres"] = database;
        builder.Configuration["ConnectionStrings:RabbitMq"] = broker;
        builder.Configuration["urls"] = "http://127.0.0.1:0";
        builder.AddKuikEventLog("pod-watcher");
        builder.AddKuikBus();
        builder.AddKuikRelay();
        return builder.Build();
    }

    /// <summary>A kubeconfig of a cluster that is not there.</summary>
    public static string NoKubernetes()
    {
        var file = Path.Combine(Sandbox.Shared.NewFolder("kubeconfig"), "config");
        File.WriteAllText(file, JsonSerializer.Serialize(new Dictionary<string, object>
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Config",
            ["current-context"] = "none",
            ["users"] = new[] { new { name = "none", user = new { token = "none" } } },
            ["clusters"] = new[] { new { name = "none", cluster = new { server = $"http://127.0.0.1:{FreePort.Next()}" } } },
            ["contexts"] = new[] { new { name = "none", context = new { cluster = "none", user = "none" } } },
        }));
        return file;
    }
}
