using System.Collections.Concurrent;
using Kuik.Contracts;
using Kuik.EventLog;
using Xunit;

namespace Kuik.Tests.Model;

/// <summary>
/// Random schedules of everything that happens to an image, then calm: however the steps and the faults fall, the end is right. Used or
/// retained images are in the cache and shown so, others are gone, and nothing goes on for ever.
/// </summary>
public sealed class ImageModelTests
{
    private const int Schedules = 100_000;
    private static readonly TimeSpan LongestWait = TimeSpan.FromHours(6);
    private static readonly string[] Replicas = ["A", "B"];

    [Fact]
    public void A_hundred_thousand_random_schedules_end_right()
    {
        var bad = new ConcurrentDictionary<string, (int Count, int Seed)>();

        Parallel.For(0, Schedules, seed =>
        {
            if (Run(seed, Fault.None) is { } problem)
                bad.AddOrUpdate(problem, (1, seed), (_, before) => (before.Count + 1, Math.Min(before.Seed, seed)));
        });

        Assert.True(bad.IsEmpty, string.Join("\n", bad.Select(end => $"{end.Value.Count} x {end.Key} (first seed {end.Value.Seed})")));
    }

    public static TheoryData<Fault> Faults => [.. Enum.GetValues<Fault>().Where(fault => fault != Fault.None)];

    [Theory]
    [MemberData(nameof(Faults))]
    public void A_planted_fault_is_found(Fault fault) =>
        Assert.Contains(Enumerable.Range(0, 20_000), seed => Run(seed, fault) is not null);

    [Fact]
    public void The_schedules_reach_every_phase_and_every_event()
    {
        var worlds = Enumerable.Range(0, 20_000).Select(seed => Troubled(seed, Fault.None)).ToList();

        var events = worlds.SelectMany(world => world.Log).Select(fact => fact.GetType()).Distinct();
        var phases = worlds.Select(world => world.State.Phase).Distinct();

        Assert.Equal(typeof(ImageCached).Assembly.GetExportedTypes().Where(IsFactOfImage).OrderBy(type => type.Name),
            events.OrderBy(type => type.Name));
        Assert.Equal(Enum.GetValues<ImagePhase>(), phases.Order());
    }

    private static bool IsFactOfImage(Type type) =>
        type.GetProperty("Image") is not null && type.GetProperties().Any(property => property.PropertyType == typeof(DateTimeOffset))
        && type != typeof(ImageState) && type != typeof(FetchDue) && type != typeof(EvictionDue) && type != typeof(ExpiryProposed);

    private static ImageWorld Troubled(int seed, Fault fault)
    {
        var random = new Random(seed);
        var world = new ImageWorld(random, fault);
        for (var i = 0; i < 100; i++)
            Trouble(world, random, losesTags: seed % 2 == 0);
        return world;
    }

    /// <summary>One schedule. Null when it ends right.</summary>
    private static string? Run(int seed, Fault fault)
    {
        var world = Troubled(seed, fault);
        world.IsOriginUp = true;
        var rounds = 0;
        for (var quiet = 0; quiet < 3 && rounds < 300; rounds++)
        {
            var before = world.Log.Count;
            Calm(world);
            quiet = world.Log.Count == before && world.NextDue is null && !world.IsRefreshing ? quiet + 1 : 0;
        }
        return world.Violation ?? ProblemOf(world, isAtRest: rounds < 300);
    }

    private static string? ProblemOf(ImageWorld world, bool isAtRest)
    {
        if (!isAtRest)
            return $"never comes to rest: {string.Join(", ", world.Log.TakeLast(3).Select(fact => fact.GetType().Name))}";
        if (world.HasOpenWork)
            return "work stays open";
        var isNeeded = world.Recorded.Count > 0 || (world.IsRetained && world.State.IsWanted);
        if (isNeeded != world.HasTag)
            return isNeeded ? "needed and not in the cache" : "not needed and still in the cache";
        var stage = world.View?.Stage;
        if (isNeeded && stage != ImageStage.Cached)
            return $"in the cache and shown as {stage}";
        if (!isNeeded && stage is not null and not ImageStage.Evicted)
            return $"gone and shown as {stage}";
        if (isNeeded && world.State.Digest != world.TagDigest)
            return "the log has another digest than the cache";
        if (world.State.RefreshRequestedAt is not null)
            return "a person waits for a refresh for ever";
        if (isNeeded && string.CompareOrdinal(world.TagDigest, world.RequestedDigest) < 0)
            return "the cache has an older digest than a person wanted compared";
        return null;
    }

    private static void Trouble(ImageWorld world, Random random, bool losesTags)
    {
        world.Pass(TimeSpan.FromSeconds(random.Next(1, 40)));
        var replica = Replicas[random.Next(2)];
        switch (random.Next(losesTags ? 50 : 46))
        {
            case 0 or 1: if (world.Live.Count < 3) world.PodStarts(); break;
            case 2 or 3: world.PodEnds(); break;
            case 4: world.IsOriginUp = random.Next(3) > 0; break;
            case 5: world.PersonDeletes(); break;
            case 6: world.Kill(replica); break;
            case 7: world.LoseMessage(); break;
            case 8: world.DuplicateMessage(); break;
            case 9: if (random.Next(4) == 0) world.PersonRequests(); break;
            case 10: if (random.Next(6) == 0) world.PersonRetains(); break;
            case 11:
                if (random.Next(3) > 0)
                    world.PersonReleases();
                else if (random.Next(3) > 0)
                    world.PersonSetsExpiry(TimeSpan.FromMinutes(random.Next(-60, 600)));
                else
                    world.PersonRemovesExpiry();
                break;
            case 12:
                if (random.Next(4) == 0)
                    world.NodePulls();
                else if (losesTags && random.Next(8) == 0)
                    world.CopyWithoutRecord();
                else
                    world.Adopt();
                break;
            case < 17: world.ObservePod(); break;
            case < 19: world.ObserveEnd(); break;
            case 19: world.LookWhetherUnused(); break;
            case 20: world.AnnounceDue(); break;
            case 21: world.ListPods(); break;
            case 22: world.DecideExpiry(); break;
            case < 27: world.Deliver(replica); break;
            case < 34: world.Step(replica, WorkKind.Fetch); break;
            case < 38: world.Step(replica, WorkKind.Evict); break;
            case 40: world.MoveTag(); break;
            case 41: if (random.Next(4) == 0) world.PersonWantsRefresh(); break;
            case 42: world.BeginRefresh(isIntervalOver: random.Next(2) == 0); break;
            case < 46 and > 42: world.StepRefresh(); break;
            case 46: if (random.Next(3) == 0) world.LoseTag(); break;
            case 47: world.LookIntoRegistry(); break;
            case 48 or 49: world.RecordLook(); break;
            default: world.Pass(TimeSpan.FromMinutes(random.Next(0, 60))); break;
        }
    }

    /// <summary>Everything that goes on by itself happens once; then the time of the next thing comes.</summary>
    private static void Calm(ImageWorld world)
    {
        for (var i = 0; i < 3; i++)
        {
            world.ObservePod();
            world.ObserveEnd();
        }
        world.Adopt();
        world.LookWhetherUnused();
        world.AnnounceDue();
        world.ListPods();
        world.DecideExpiry();
        world.RecordLook();
        world.LookIntoRegistry();
        world.RecordLook();
        for (var i = 0; i < 20; i++)
            foreach (var replica in Replicas)
            {
                world.Deliver(replica);
                world.Step(replica, WorkKind.Fetch);
                world.Step(replica, WorkKind.Evict);
            }
        world.BeginRefresh(isIntervalOver: false);
        world.StepRefresh();   // one step a round: an eviction may come between two of them
        var due = world.NextDue;
        var wait = due > world.Now ? due.Value - world.Now : TimeSpan.FromMinutes(1);
        world.Pass(wait < LongestWait ? wait : LongestWait);
    }
}
