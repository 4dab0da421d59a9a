using System.Globalization;
using Kuik.IntegrationTests.Chaos;
using Kuik.IntegrationTests.Webhook;
using Kuik.Testing;

namespace Kuik.IntegrationTests.StateMachine;

/// <summary>The services of one schedule, each as shipped, by their names.</summary>
/// <param name="settings">Of all of the control plane.</param>
/// <param name="plant">A planted fault, whose settings win; null for none.</param>
/// <param name="webhook">Where the webhook is registered.</param>
internal sealed class MachineServices(
    IReadOnlyList<(string Key, string? Value)> settings, PlantedFault? plant, WebhookRegistration webhook) : IDisposable
{
    /// <summary>The proxy of the node.</summary>
    public const string NodeProxy = "NodeProxy-0";

    /// <summary>The webhook.</summary>
    public const string Webhook = "Webhook-0";

    /// <summary>Those that run from the beginning.</summary>
    public static readonly IReadOnlyList<string> First =
        ["PodWatcher-0", "Expiry-0", "ImageFetcher-0", "ImageFetcher-1", Webhook, NodeProxy];

    /// <summary>Those that a step starts beside the first ones.</summary>
    public static readonly IReadOnlyList<string> Second = ["PodWatcher-1", "Expiry-1"];

    private readonly Dictionary<string, int> _fetcherPorts =
        new() { ["ImageFetcher-0"] = FreePort.Next(), ["ImageFetcher-1"] = FreePort.Next() };

    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(10) };
    private readonly Dictionary<string, ChaosReplica> _replicas = [];

    /// <summary>Those that have been started.</summary>
    public IReadOnlyCollection<ChaosReplica> All => _replicas.Values;

    /// <summary>One that has been started.</summary>
    public ChaosReplica this[string name] => _replicas[name];

    /// <summary>Starts the first ones; ready when it returns.</summary>
    public async Task StartFirst()
    {
        var started = await Task.WhenAll(First.Select(async name =>
        {
            var replica = await Create(name);
            await replica.Service.Ready();
            return replica;
        }));
        foreach (var replica in started)
            _replicas[replica.Name] = replica;
    }

    /// <summary>Starts a second one, and waits for nothing: what it needs may be away.</summary>
    public async Task StartSecond(string name) => _replicas[name] = await Create(name);

    /// <summary>The pod-watchers that say that they lead.</summary>
    public async Task<IReadOnlyList<string>> FindLeaders()
    {
        var leaders = new List<string>();
        foreach (var replica in All.Where(one => one.Name.StartsWith("PodWatcher", StringComparison.Ordinal) && !one.IsDown))
            try
            {
                using var answer = await _http.GetAsync(new Uri(replica.Service.Health, "readyz"));
                if ((await answer.Content.ReadAsStringAsync()).Contains("Healthy leads", StringComparison.Ordinal))
                    leaders.Add(replica.Name);
            }
            catch (Exception fault) when (fault is HttpRequestException or OperationCanceledException)
            {
                continue;   // it starts, or its checks wait for a server
            }
        return leaders;
    }

    /// <summary>kill -9 of all of them.</summary>
    public void Dispose()
    {
        foreach (var replica in All)
            replica.Kill();
        _http.Dispose();
    }

    private async Task<ChaosReplica> Create(string name)
    {
        var project = name[..name.IndexOf('-', StringComparison.Ordinal)];
        int? port = project == "Webhook" ? webhook.Port : _fetcherPorts.TryGetValue(name, out var fetcher) ? fetcher : null;
        var options = new KuikServiceOptions { Settings = SettingsOf(name, project), Port = port, WaitFor = null };
        return new ChaosReplica(name, await KuikService.Start(project, options));
    }

    private Dictionary<string, string?> SettingsOf(string name, string project)
    {
        // The data plane gets only the settings that it may know.
        var all = project switch
        {
            "Webhook" => new Dictionary<string, string?>(webhook.Settings),
            "NodeProxy" => new Dictionary<string, string?>
            {
                ["Kuik:InsecureRegistries:0"] = Value("Kuik:InsecureRegistries:0"),
                ["Kuik:Cache:ReadEndpoint"] = Value("Kuik:Cache:Endpoint"),
                ["Kuik:Fetcher:Endpoint"] = AddressOf("ImageFetcher-0"),
                ["Kuik:Proxy:PullReportInterval"] = "00:00:01",
            },
            _ => settings.Concat(_fetcherPorts.Keys.Select((name, i) => (Text($"Kuik:Fetcher:Peers:{i}"), (string?)AddressOf(name))))
                .ToDictionary(setting => setting.Item1, setting => setting.Item2),
        };
        foreach (var (key, value) in plant?.Settings ?? [])
            all[key] = value;
        foreach (var (key, value) in Second.Contains(name) ? plant?.SettingsOfSecond ?? [] : [])
            all[key] = value;
        return all;
    }

    private string? Value(string key) => settings.First(setting => setting.Key == key).Value;

    private string AddressOf(string fetcher) => Text($"http://127.0.0.1:{_fetcherPorts[fetcher]}");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
