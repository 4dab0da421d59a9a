using System.Globalization;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Replicas;

/// <summary>The common options of the replicas of a <see cref="Fleet"/>.</summary>
/// <param name="Cache">The registry that they keep images in.</param>
/// <param name="Origins">Hosts reached by plain HTTP.</param>
internal sealed record FleetOptions(Registry Cache, IReadOnlyList<string> Origins)
{
    /// <summary>How many replicas may run at once, 1 to 5.</summary>
    public int Size { get; init; } = 3;

    /// <summary>True: each replica reaches each other one by a <see cref="PeerLink"/>. Default directly.</summary>
    public bool HasLinks { get; init; }

    /// <summary>Decides whether one replica has another one, or itself, in its list. Default always.</summary>
    public Func<int, int, bool> Knows { get; init; } = (_, _) => true;

    /// <summary>Further settings.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>As in <see cref="ReplicaOptions"/>, for each replica.</summary>
    public IReadOnlyList<string> Wrapper { get; init; } = [];
}

/// <summary>Replicas of the copy engine, each a process, and the network between them.</summary>
internal sealed class Fleet : IAsyncDisposable
{
    /// <summary>How long a replica goes on after SIGTERM with what is under way.</summary>
    public static readonly TimeSpan DrainLimit = TimeSpan.FromSeconds(5);

    private readonly string locks = Sandbox.Shared.NewFolder("repository-locks");
    private readonly PeerLink?[,] links;

    private Fleet(FleetOptions options)
    {
        var ports = Enumerable.Range(0, options.Size).Select(_ => FreePort.Next()).ToList();
        links = new PeerLink?[options.Size, options.Size];
        if (options.HasLinks)
            foreach (var (from, to) in Pairs(options.Size))
                links[from, to] = PeerLink.To(ports[to]);
        Replicas =
        [
            .. ports.Select((port, own) => new ReplicaOptions($"replica-{own}", port, Settings(options, own, ports)))
                .Select(each => new Replica(each with { Wrapper = options.Wrapper })),
        ];
    }

    /// <summary>All of them, whether they run or not.</summary>
    public IReadOnlyList<Replica> Replicas { get; }

    /// <summary>Those that a Service may send a client to: they run, and may be frozen or stopping all the same.</summary>
    public IReadOnlyList<Replica> Running => [.. Replicas.Where(replica => replica.IsRunning)];

    /// <summary>Those of which an answer can be expected.</summary>
    public IReadOnlyList<Replica> Able => [.. Running.Where(replica => replica is { IsFrozen: false, IsStopping: false })];

    /// <summary>Starts some.</summary>
    /// <param name="options">Of all.</param>
    /// <param name="running">How many of them run at first; default all.</param>
    public static async Task<Fleet> Start(FleetOptions options, int? running = null)
    {
        var fleet = new Fleet(options);
        await Task.WhenAll(fleet.Replicas.Take(running ?? options.Size).Select(replica => replica.Start()));
        return fleet;
    }

    /// <summary>The network from one to another; only of a fleet that has links.</summary>
    public PeerLink Link(int from, int to) => links[from, to] ?? throw new InvalidOperationException("this fleet has no links");

    /// <summary>Links that are cut or silent.</summary>
    public int BrokenLinks => links.Cast<PeerLink?>().Count(link => link is { State: not LinkState.Open });

    /// <summary>Heals all links.</summary>
    public void Heal()
    {
        foreach (var link in links)
            link?.Heal();
    }

    /// <summary>One client pulls an image.</summary>
    /// <returns>True when all of it came; else the log says why not.</returns>
    public async Task<bool> Pull(string name, TestImage image, PullLog log, int seed)
    {
        using var client = new NodeClient(this, log, seed);
        return await client.Pull(name, image, TestContext.Current.CancellationToken);
    }

    /// <summary>Copies an image in the background at some replica, and at the next one for as long as none has a verdict.</summary>
    /// <param name="image">Its name.</param>
    /// <param name="first">The replica that takes it first.</param>
    /// <param name="ct">Ends the waiting.</param>
    public async Task<CopyOutcome> Copy(string image, int first, CancellationToken ct)
    {
        for (var turn = first; ; turn++)
        {
            var replica = Replicas[turn % Replicas.Count];
            var outcome = replica.IsRunning ? await replica.Copy(image, ct) : new CopyOutcome(false, null);
            if (outcome.IsCopied || outcome.Verdict is not null)
                return outcome;
            await Task.Delay(TimeSpan.FromMilliseconds(200), ct);
        }
    }

    /// <summary>SIGTERM to all, and waits until they have ended.</summary>
    public async Task Stop()
    {
        var running = Running;
        foreach (var replica in running)
            replica.BeginStop();
        foreach (var replica in running)
            await replica.Stopped(DrainLimit + TimeSpan.FromSeconds(30));
    }

    /// <summary>The last lines of each replica's log, for a failure.</summary>
    public string Logs => string.Join('\n', Replicas.SelectMany(
        replica => replica.Log.TrimEnd().Split('\n').TakeLast(40).Prepend($"\n{replica.Name} ({replica.Address}):")));

    /// <summary>Repositories whose lock is held.</summary>
    public IReadOnlyList<string> HeldLocks() => [.. Directory.EnumerateFiles(locks).Where(IsHeld).Select(file => Path.GetFileName(file)!)];

    /// <summary>Files left in any spool.</summary>
    public IReadOnlyList<string> SpooledFiles() => [.. Replicas.SelectMany(replica => replica.SpooledFiles())];

    public ValueTask DisposeAsync()
    {
        foreach (var replica in Replicas)
        {
            if (replica.IsRunning)
                replica.Kill();
            replica.Dispose();
        }
        foreach (var link in links)
            link?.Dispose();
        return ValueTask.CompletedTask;
    }

    private static IEnumerable<(int From, int To)> Pairs(int size) =>
        Enumerable.Range(0, size).SelectMany(from => Enumerable.Range(0, size).Where(to => to != from).Select(to => (from, to)));

    private static bool IsHeld(string file)
    {
        try
        {
            using var held = new FileStream(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
            return false;
        }
        catch (IOException)
        {
            return true;
        }
    }

    private Dictionary<string, string> Settings(FleetOptions options, int own, List<int> ports)
    {
        var settings = new Dictionary<string, string>
        {
            ["Kuik:Cache:Endpoint"] = options.Cache.Endpoint.ToString(),
            ["Kuik:Fetch:DrainLimit"] = DrainLimit.ToString("c", CultureInfo.InvariantCulture),
            ["ReplicaHost:Locks"] = locks,
        };
        for (var i = 0; i < options.Origins.Count; i++)
            settings[$"Kuik:InsecureRegistries:{i}"] = $"http://{options.Origins[i]}";
        var known = Enumerable.Range(0, ports.Count).Where(peer => options.Knows(own, peer)).ToList();
        for (var i = 0; i < known.Count; i++)
            settings[$"Kuik:Fetcher:Peers:{i}"] = links[own, known[i]]?.Address.ToString() ?? $"http://127.0.0.1:{ports[known[i]]}/";
        foreach (var (key, value) in options.Settings)
            settings[key] = value;
        return settings;
    }
}
