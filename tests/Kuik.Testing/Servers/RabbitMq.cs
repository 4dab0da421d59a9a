using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;

namespace Kuik.Testing;

/// <summary>
/// A real RabbitMQ: the one that <c>KUIK_TEST_RABBITMQ</c> (an amqp address of an administrator; its management API is
/// <c>KUIK_TEST_RABBITMQ_MANAGEMENT</c>, by default port 15672 of the same host) names, else a container where there is a Docker engine,
/// else Debian's package.
/// </summary>
public sealed class RabbitMq
{
    private static readonly Lazy<Task<RabbitMq>> OfThisProcess = new(() => StartNamedOrOwn());
    private readonly IRabbitMqEngine engine;
    private int virtualHosts;

    internal RabbitMq(IRabbitMqEngine engine) => this.engine = engine;

    /// <summary>
    /// The one shared by all tests of this process, started by the first of them. Never stop it: use <see cref="StartOwn"/>.
    /// </summary>
    public static Task<RabbitMq> Shared() => OfThisProcess.Value;

    /// <summary>One for a single test, which may stop and start it. Takes about 8 seconds.</summary>
    /// <param name="sandbox">Where its data is; default the shared one.</param>
    /// <param name="acknowledgementTimeout">The time after which an unacknowledged message closes its channel (RabbitMQ's default is half
    /// an hour, checked every minute; here every second).</param>
    public static async Task<RabbitMq> StartOwn(Sandbox? sandbox = null, TimeSpan? acknowledgementTimeout = null) => new(Docker.IsThere
        ? await DockerRabbitMq.Create(sandbox ?? Sandbox.Shared, acknowledgementTimeout)
        : await DebianRabbitMq.Create(sandbox ?? Sandbox.Shared, acknowledgementTimeout));

    /// <summary>How often it has closed a channel because a message was not acknowledged in time.</summary>
    public async Task<int> ClosedForLateAcknowledgement() => (await engine.Log()).Split("has timed out waiting for").Length - 1;

    /// <summary>RabbitMQ's advanced.config: only there the interval of these checks can be set.</summary>
    internal static string AdvancedConfiguration(TimeSpan? acknowledgementTimeout) =>
        acknowledgementTimeout is { } timeout
            ? $"[{{rabbit, [{{consumer_timeout, {timeout.TotalMilliseconds:0}}}, {{channel_tick_interval, 1000}}]}}].\n"
            : "[].\n";

    /// <summary>Its amqp address, with user and password, of the default virtual host.</summary>
    internal Uri Address => engine.Address;

    /// <summary>Its management API, with user and password in it: <c>http://user:password@host:port/</c>.</summary>
    public Uri Management => engine.Management;

    /// <summary>A new, empty virtual host.</summary>
    /// <returns>Its amqp address, with user and password.</returns>
    public async Task<string> NewVirtualHost()
    {
        var name = $"kuik_{Environment.ProcessId}_{Interlocked.Increment(ref virtualHosts)}_{Path.GetRandomFileName()[..6]}";
        await MakeVirtualHost(name);
        engine.Created(name);
        return new UriBuilder(engine.Address) { Path = name }.Uri.ToString();
    }

    /// <summary>Makes it unreachable, as a crash would. Data stays.</summary>
    public Task Stop() => engine.Stop();

    /// <summary>Starts it again on the same ports with the same data.</summary>
    public Task Start() => engine.Start();

    /// <summary>Starts it again on the same ports with all data lost: the initial users, no queue, no exchange, no message.</summary>
    /// <param name="addresses">Virtual hosts to create again, empty: results of <see cref="NewVirtualHost"/>.</param>
    public async Task StartWithoutData(params string[] addresses)
    {
        await engine.StartWithoutData();
        foreach (var address in addresses)
            await MakeVirtualHost(new Uri(address).AbsolutePath[1..]);
    }

    /// <summary>Deletes every queue of a virtual host, with its messages.</summary>
    /// <param name="address">A result of <see cref="NewVirtualHost"/>.</param>
    public async Task DeleteQueues(string address)
    {
        using var http = ManagementClient();
        var queues = new Uri($"api/queues/{new Uri(address).AbsolutePath[1..]}", UriKind.Relative);
        foreach (var queue in (await http.GetFromJsonAsync<JsonArray>(queues))!)
            (await http.DeleteAsync(new Uri($"{queues}/{Uri.EscapeDataString((string)queue!["name"]!)}", UriKind.Relative))).Dispose();
    }

    /// <summary>Binds a queue that keeps nothing to a fanout exchange: mandatory messages are taken though no consumer runs.</summary>
    /// <param name="address">Of the virtual host.</param>
    /// <param name="exchange">Made if it is not there, as MassTransit makes it.</param>
    public async Task Discard(string address, string exchange)
    {
        using var http = ManagementClient();
        var (host, name) = (new Uri(address).AbsolutePath[1..], Uri.EscapeDataString(exchange));
        await Make($"api/exchanges/{host}/{name}", new { type = "fanout", durable = true });
        await Make($"api/queues/{host}/{name}", new { durable = true, arguments = new Dictionary<string, int> { ["x-max-length"] = 0 } });
        using var bound = await http.PostAsJsonAsync($"api/bindings/{host}/e/{name}/q/{name}", new { });
        bound.EnsureSuccessStatusCode();

        async Task Make(string path, object body)
        {
            using var made = await http.PutAsJsonAsync(path, body);
            made.EnsureSuccessStatusCode();
        }
    }

    private HttpClient ManagementClient()
    {
        var http = new HttpClient { BaseAddress = new UriBuilder(engine.Management) { UserName = "", Password = "" }.Uri };
        http.DefaultRequestHeaders.Authorization =
            new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(engine.Management.UserInfo)));
        return http;
    }

    private async Task MakeVirtualHost(string name)
    {
        using var http = ManagementClient();
        var user = engine.Management.UserInfo;
        using var made = await http.PutAsync(new Uri($"api/vhosts/{name}", UriKind.Relative), null);
        made.EnsureSuccessStatusCode();
        using var allowed = await http.PutAsJsonAsync($"api/permissions/{name}/{user.Split(':')[0]}",
            new { configure = ".*", write = ".*", read = ".*" });
        allowed.EnsureSuccessStatusCode();
    }

    private static async Task<RabbitMq> StartNamedOrOwn() =>
        Environment.GetEnvironmentVariable("KUIK_TEST_RABBITMQ") is { Length: > 0 } named
            ? new(new NamedRabbitMq(new Uri(named), Environment.GetEnvironmentVariable("KUIK_TEST_RABBITMQ_MANAGEMENT")))
            : await StartOwn();
}

/// <summary>Where a RabbitMQ comes from.</summary>
internal interface IRabbitMqEngine
{
    /// <summary>amqp, with user and password.</summary>
    Uri Address { get; }

    /// <summary>http, with user and password.</summary>
    Uri Management { get; }

    /// <summary>A virtual host was made in it.</summary>
    void Created(string virtualHost);

    Task Start();

    Task Stop();

    Task StartWithoutData();

    /// <summary>Its log since its last start.</summary>
    Task<string> Log();
}
