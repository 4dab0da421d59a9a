using System.Globalization;

namespace Kuik.IntegrationTests.Replicas;

/// <summary>
/// What happens to the replicas of a fleet: a seeded sequence of starts, stops, kills, freezes, partitions and heals, one every second or two. One replica at least is always able to
/// answer and not cut off by a freeze or a stop, and a freeze ends after at most ten seconds.
/// </summary>
internal sealed class RandomSchedule(Fleet fleet, PullLog log, int seed)
{
    private readonly Random random = new(seed);
    private readonly List<Task> ends = [];

    /// <summary>When each kill -9 or partition happened: what may cost an origin bytes twice. UTC.</summary>
    public List<DateTimeOffset> Disruptions { get; } = [];

    /// <summary>Goes on until a time; then heals and thaws everything.</summary>
    public async Task Run(TimeSpan duration, CancellationToken stop)
    {
        var end = DateTimeOffset.UtcNow + duration;
        using var pause = new PeriodicTimer(TimeSpan.FromSeconds(1.5));
        while (DateTimeOffset.UtcNow < end && await pause.WaitForNextTickAsync(stop))
            await Step(stop);
        await Task.WhenAll(ends);
        fleet.Heal();
        log.Note("the schedule is over: all links are healed");
    }

    private async Task Step(CancellationToken stop)
    {
        var idle = fleet.Replicas.Where(replica => !replica.IsRunning).ToList();
        var able = fleet.Able;
        switch (random.Next(10))
        {
            case 0 or 1 or 2 when idle.Count > 0:
                await Start(Any(idle));
                break;
            case 3 or 4 when able.Count > 2:
                ends.Add(StopOne(Any(able)));
                break;
            case 5 when able.Count > 2:
                Kill(Any(able));
                break;
            case 6 when able.Count > 2:
                ends.Add(Freeze(Any(able), TimeSpan.FromSeconds(1 + random.Next(9)), stop));
                break;
            case 7 or 8:
                Partition();
                break;
            case 9:
                log.Note("all links are healed");
                fleet.Heal();
                break;
            default:
                if (able.Count < 2 && idle.Count > 0)
                    await Start(Any(idle));
                break;
        }
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
        log.Note(string.Create(CultureInfo.InvariantCulture, $"{replica.Name} has ended after {(DateTimeOffset.UtcNow - asked).TotalSeconds:0.0} s"));
    }

    private void Kill(Replica replica)
    {
        log.Note($"kill -9 of {replica.Name}");
        Disruptions.Add(DateTimeOffset.UtcNow);
        replica.Kill();
    }

    private async Task Freeze(Replica replica, TimeSpan time, CancellationToken stop)
    {
        log.Note($"freeze {replica.Name} for {time.TotalSeconds:0} s");
        replica.Freeze();
        await Task.Delay(time, stop);
        log.Note($"thaw {replica.Name}");
        replica.Thaw();
    }

    private void Partition()
    {
        var (from, to) = (random.Next(fleet.Replicas.Count), random.Next(fleet.Replicas.Count - 1));
        to += to >= from ? 1 : 0;
        var (isCut, isBothWays) = (random.Next(2) == 0, random.Next(2) == 0);
        log.Note($"{(isCut ? "cut" : "silence")} the link from {fleet.Replicas[from].Name} to {fleet.Replicas[to].Name}{(isBothWays ? ", both ways" : "")}");
        Disruptions.Add(DateTimeOffset.UtcNow);
        foreach (var link in isBothWays ? [fleet.Link(from, to), fleet.Link(to, from)] : new[] { fleet.Link(from, to) })
        {
            if (isCut)
                link.Cut();
            else
                link.Silence();
        }
    }
}
