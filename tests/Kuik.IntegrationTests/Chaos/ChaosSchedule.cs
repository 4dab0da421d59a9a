using System.Collections.Concurrent;
using System.Globalization;
using Kuik.Testing;

namespace Kuik.IntegrationTests.Chaos;

/// <summary>A seeded sequence of faults of Postgres, RabbitMQ, the Kubernetes API and the replicas: one begins every second, each kind has
/// one at a time.</summary>
internal sealed class ChaosSchedule(ChaosWorld world, int seed)
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly Random _random = new(seed);
    private readonly ConcurrentQueue<string> _timeline = new();
    private readonly ConcurrentQueue<string> _problems = new();
    private readonly Dictionary<string, Task> _running = [];
    private readonly DateTimeOffset _begun = DateTimeOffset.UtcNow;

    /// <summary>The steps so far, with their times.</summary>
    public string Timeline => string.Join('\n', _timeline);

    /// <summary>Replicas that ended by themselves, or did not end when they were told to.</summary>
    public IReadOnlyCollection<string> Problems => _problems;

    /// <summary>Goes on for a time; then everything is well again and every replica runs.</summary>
    public async Task Run(TimeSpan duration, CancellationToken ct)
    {
        using var pause = new PeriodicTimer(Pause);
        while (DateTimeOffset.UtcNow - _begun < duration && await pause.WaitForNextTickAsync(ct))
        {
            NoteEnded();
            Begin(ct);
        }
        await Task.WhenAll(_running.Values);
        world.Kubernetes.Script = _ => null;
        foreach (var replica in world.Replicas.Where(replica => replica.IsDown))
            await replica.Start();
        Note("the last fault is over");
    }

    /// <summary>Notes replicas that have ended by themselves, and starts them again as a kubelet would.</summary>
    public void NoteEnded()
    {
        foreach (var replica in world.Replicas.Where(replica => replica.HasEndedByItself))
            _problems.Enqueue($"{replica.Name} has ended by itself with exit code {replica.Service.Process.ExitCode}\n{replica.Tail}");
    }

    private void Begin(CancellationToken ct)
    {
        var free = Faults().Where(fault => !_running.TryGetValue(fault.Of, out var running) || running.IsCompleted).ToList();
        if (free.Count == 0)
            return;
        var kinds = free.Select(fault => fault.Of).Distinct().ToList();
        var kind = kinds[_random.Next(kinds.Count)];
        var ofKind = free.Where(fault => fault.Of == kind).ToList();
        var (_, name, run) = ofKind[_random.Next(ofKind.Count)];
        var length = TimeSpan.FromSeconds(0.5 + (4 * _random.NextDouble()));
        Note(string.Create(CultureInfo.InvariantCulture, $"{kind}: {name} for {length.TotalSeconds:0.0} s"));
        _running[kind] = Task.Run(() => run(length, ct), ct);
    }

    private IEnumerable<(string Of, string Name, Func<TimeSpan, CancellationToken, Task> Run)> Faults()
    {
        foreach (var fault in PostgresFault.All)
            yield return ("Postgres", fault.Name, (length, stop) =>
                Around(() => fault.Begin(world.Cluster), length, () => fault.End(world.Cluster), stop));
        yield return ("Postgres", "kill", (length, stop) => Around(world.Postgres.Stop, length, world.Postgres.Start, stop));
        yield return ("RabbitMQ", "kill", (length, stop) => Around(world.RabbitMq.Stop, length, world.RabbitMq.Start, stop));
        yield return ("RabbitMQ", "kill, data lost", (length, stop) =>
            Around(world.RabbitMq.Stop, length, () => world.RabbitMq.StartWithoutData(world.Cluster.Bus), stop));
        yield return ("RabbitMQ", "queues deleted", (_, _) => world.RabbitMq.DeleteQueues(world.Cluster.Bus));
        foreach (var (name, script) in Scripts())
            yield return ("Kubernetes", name, (length, stop) => Scripted(script, length, stop));
        var up = world.Replicas.Where(replica => !replica.IsDown).ToList();
        if (up.Count < 3)
            yield break;
        var (killed, ended) = (up[_random.Next(up.Count)], up[_random.Next(up.Count)]);
        yield return ("replicas", $"kill -9 of {killed.Name}", (length, stop) =>
            Around(() => Done(killed.Kill), length, killed.Start, stop));
        yield return ("replicas", $"SIGTERM to {ended.Name}", (length, stop) => Around(() => End(ended), length, ended.Start, stop));
    }

    private IEnumerable<(string Name, Func<Task, Func<ScriptedRequest, ScriptedAnswer?>> Script)> Scripts()
    {
        string[] resources = ["pods", "serviceaccounts", "cachedimages", "leases", "repositories"];
        var resource = resources[_random.Next(resources.Length)];
        yield return ($"403 for {resource}", _ => request =>
            request.Resource == resource ? ScriptedAnswers.Refuse(403, "Forbidden") : null);
        yield return ("429", _ => request =>
            request.Count % 2 == 0 ? ScriptedAnswers.Refuse(429, "TooManyRequests", retryAfter: TimeSpan.FromSeconds(1)) : null);
        yield return ("410", _ => request =>
        {
            world.Kubernetes.ForgetChanges();
            return request.Verb == "watch" ? ScriptedAnswers.ExpireWatch() : null;
        }
        );
        yield return ($"stalls of {resource}", over => request =>
            request.Resource == resource ? ScriptedAnswers.StallAfter(200, over) : null);
        yield return ("stalls in headers", over => _ => ScriptedAnswers.StallInHeaders(over));
        yield return ($"half bodies of {resource}", _ => request =>
            request.Resource == resource ? ScriptedAnswers.BreakOffAfter(300) : null);
        yield return ("resets", _ => _ => ScriptedAnswers.Reset());
    }

    private async Task Scripted(Func<Task, Func<ScriptedRequest, ScriptedAnswer?>> script, TimeSpan length, CancellationToken ct)
    {
        var over = new TaskCompletionSource();
        world.Kubernetes.Script = script(over.Task);
        world.Kubernetes.EndWatches();
        await Task.Delay(length, ct);
        world.Kubernetes.Script = _ => null;
        over.SetResult();
    }

    private static async Task Around(Func<Task> begin, TimeSpan length, Func<Task> end, CancellationToken ct)
    {
        await begin();
        await Task.Delay(length, ct);
        await end();
    }

    private async Task End(ChaosReplica replica)
    {
        try
        {
            // 143: the signal came before the runtime had begun to listen for it.
            if (await replica.Stop() is var code and not (0 or 143))
                _problems.Enqueue($"{replica.Name} ended with exit code {code} after SIGTERM\n{replica.Tail}");
        }
        catch (ServerFailedException still)
        {
            _problems.Enqueue(still.Message);
            replica.Kill();
        }
    }

    private static Task Done(Action act)
    {
        act();
        return Task.CompletedTask;
    }

    private void Note(string what) =>
        _timeline.Enqueue(string.Create(CultureInfo.InvariantCulture, $"{(DateTimeOffset.UtcNow - _begun).TotalSeconds,6:0.0} s {what}"));
}
