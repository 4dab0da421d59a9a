using System.Globalization;

namespace Kuik.IntegrationTests.Replicas;

/// <summary>
/// A seeded schedule of events for the replicas of a fleet: starts, stops, kills, freezes, partitions and heals, one every second or two.
/// At least two replicas are always able to answer clients, and a freeze ends after at most ten seconds.
/// </summary>
internal sealed class RandomSchedule(Fleet fleet, PullLog log, int seed)
{
    private const int MostBrokenLinks = 4;

    private readonly Random random = new(seed);
    private readonly List<Task> ends = [];

    /// <summary>All that may have cost an origin bytes twice.</summary>
    public List<Disruption> Disruptions { get; } = [];

    /// <summary>Goes on until a time; then heals and thaws everything.</summary>
    public async Task Run(TimeSpan duration, CancellationToken ct)
    {
        var end = DateTimeOffset.UtcNow + duration;
        using var pause = new PeriodicTimer(TimeSpan.FromSeconds(1.5));
        while (DateTimeOffset.UtcNow < end && await pause.WaitForNextTickAsync(ct))
            await Step(ct);
        await Task.WhenAll(ends);
        await Heal();
        log.Note("the schedule is over");
    }

    private async Task Step(CancellationToken ct)
    {
        var idle = fleet.Replicas.Where(replica => !replica.IsRunning).ToList();
        var able = fleet.Able;
        var steps = new List<Func<Task>>();
        if (idle.Count > 0)
            steps.AddRange(Enumerable.Repeat(() => Start(Any(idle)), able.Count > 2 ? 3 : 6));
        if (able.Count > 2)
            steps.AddRange([Stop, Stop, Kill, Kill, Freeze]);
        if (fleet.BrokenLinks < MostBrokenLinks)
            steps.AddRange([Partition, Partition]);
        if (fleet.BrokenLinks > 0)
            steps.Add(Heal);
        await Any(steps)();

        Task Stop() => Later(StopOne(Any(able)));
        Task Freeze() => Later(FreezeOne(Any(able), TimeSpan.FromSeconds(1 + random.Next(9)), ct));
        Task Kill() => KillOne(Any(able));
    }

    // Goes on beside the next steps.
    private Task Later(Task step)
    {
        ends.Add(step);
        return Task.CompletedTask;
    }

    private T Any<T>(IReadOnlyList<T> all) => all[random.Next(all.Count)];

    private async Task Start(Replica replica)
    {
        log.Note($"start {replica.Name}");
        await replica.Start();
    }

    private async Task StopOne(Replica replica)
    {
        log.Note($"SIGTERM to {replica.Name}");
        var asked = DateTimeOffset.UtcNow;
        replica.BeginStop();
        await replica.Stopped(Fleet.DrainLimit + TimeSpan.FromSeconds(30));
        var took = (DateTimeOffset.UtcNow - asked).TotalSeconds;
        log.Note(string.Create(CultureInfo.InvariantCulture, $"{replica.Name} has ended after {took:0.0} s"));
    }

    private Task KillOne(Replica replica)
    {
        log.Note($"kill -9 of {replica.Name}");
        Disruptions.Add(new Disruption(DateTimeOffset.UtcNow, DateTimeOffset.UtcNow, IsPartition: false));
        replica.Kill();
        return Task.CompletedTask;
    }

    private async Task FreezeOne(Replica replica, TimeSpan time, CancellationToken ct)
    {
        log.Note($"freeze {replica.Name} for {time.TotalSeconds:0} s");
        replica.Freeze();
        await Task.Delay(time, ct);
        log.Note($"thaw {replica.Name}");
        replica.Thaw();
    }

    private Task Partition()
    {
        var (from, to) = (random.Next(fleet.Replicas.Count), random.Next(fleet.Replicas.Count - 1));
        to += to >= from ? 1 : 0;
        var (isCut, isBothWays) = (random.Next(2) == 0, random.Next(2) == 0);
        var names = $"{fleet.Replicas[from].Name} to {fleet.Replicas[to].Name}";
        log.Note($"{(isCut ? "cut" : "silence")} the link from {names}{(isBothWays ? ", both ways" : "")}");
        Disruptions.Add(new Disruption(DateTimeOffset.UtcNow, Until: null, IsPartition: true));
        foreach (var link in isBothWays ? [fleet.Link(from, to), fleet.Link(to, from)] : new[] { fleet.Link(from, to) })
        {
            if (isCut)
                link.Cut();
            else
                link.Silence();
        }
        return Task.CompletedTask;
    }

    private Task Heal()
    {
        log.Note("all links are healed");
        fleet.Heal();
        var until = DateTimeOffset.UtcNow + Disruption.AfterHeal;
        for (var i = 0; i < Disruptions.Count; i++)
            Disruptions[i] = Disruptions[i] with { Until = Disruptions[i].Until ?? until };
        return Task.CompletedTask;
    }
}
