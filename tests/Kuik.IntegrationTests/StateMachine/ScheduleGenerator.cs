using System.Globalization;

namespace Kuik.IntegrationTests.StateMachine;

/// <summary>
/// The steps of a seed: pods, workload templates and CachedImages come and go, tags move, time passes, the registry loses something, and
/// servers and services fail. The same seed gives the same steps: nothing of what happens while they run changes them.
/// </summary>
internal sealed class ScheduleGenerator
{
    private const int EndOfFaultPercent = 30;
    private const int MostFaults = 2;
    private const int MostPods = 10;
    private static readonly string[] WorkloadKinds = ["Deployment", "StatefulSet", "DaemonSet"];

    private readonly Random _random;
    private readonly FaultSteps? _faults;
    private readonly List<string> _pods = [];
    private readonly List<(string Kind, string Name)> _workloads = [];
    private readonly HashSet<int> _retained = [];
    private readonly IReadOnlyList<(int Weight, Func<Step?> Make)> _kinds;
    private int _names;

    /// <param name="seed">Decides everything.</param>
    /// <param name="hasFaults">Servers and services fail too.</param>
    public ScheduleGenerator(int seed, bool hasFaults)
    {
        _random = new Random(seed);
        _faults = hasFaults ? new FaultSteps(_random) : null;
        _kinds =
        [
            (22, PodComes), (18, PodGoes), (6, WorkloadComes), (6, WorkloadGoes),
            (4, Retain), (4, Release), (4, AskFor), (4, DeleteResource),
            (5, MoveTag), (5, Refresh), (4, LoseTag), (4, LoseBlob), (2, DamageBlob), (6, PassTime), (8, Pull), (2, Rebuild),
            (hasFaults ? 28 : 0, Fail), (hasFaults ? 6 : 0, StartSecond),
        ];
    }

    /// <summary>The steps; every fault is over after the last one.</summary>
    public IReadOnlyList<Step> Generate(int length)
    {
        var steps = new List<Step>();
        while (steps.Count < length)
            steps.Add(Next() with { Pause = TimeSpan.FromMilliseconds(_random.Next(50, 500)) });
        return [.. steps, .. _faults?.EndAll() ?? []];
    }

    private Step Next()
    {
        if (_faults is { Running: > 0 } && _random.Next(100) < EndOfFaultPercent)
            return _faults.EndOne();
        while (true)
        {
            var dice = _random.Next(_kinds.Sum(kind => kind.Weight));
            var chosen = _kinds.First(kind => (dice -= kind.Weight) < 0);
            if (chosen.Make() is { } step)
                return step;
        }
    }

    private Step? StartSecond() => _faults!.StartSecond();

    private Step? Fail() => _faults!.Running < MostFaults ? _faults.BeginOne() : null;

    private Step? PodComes()
    {
        if (_pods.Count == MostPods)
            return null;
        var name = Name("pod");
        _pods.Add(name);
        int[] images = [.. Enumerable.Range(0, 1 + _random.Next(2)).Select(_ => Image()).Distinct()];
        return new Step($"{name} uses {string.Join(" and ", images.Select(image => $"v{image}"))}", machine =>
            machine.AddPod(name, images));
    }

    private Step? PodGoes()
    {
        if (_pods.Count == 0)
            return null;
        var name = _pods[_random.Next(_pods.Count)];
        _pods.Remove(name);
        return new Step($"{name} ends", async machine =>
        {
            machine.Pods.Remove(name);
            await machine.User.DeletePod(name);
        });
    }

    private Step WorkloadComes()
    {
        var (kind, name, image) = (WorkloadKinds[_random.Next(WorkloadKinds.Length)], Name("workload"), Image());
        _workloads.Add((kind, name));
        return new Step($"{kind} {name} names v{image}", async machine =>
            machine.Workloads[name] = (kind, await machine.User.CreateWorkload(kind, name, machine.ImageNames[image]), image));
    }

    private Step? WorkloadGoes()
    {
        if (_workloads.Count == 0)
            return null;
        var (kind, name) = _workloads[_random.Next(_workloads.Count)];
        _workloads.Remove((kind, name));
        return new Step($"{kind} {name} is deleted", async machine =>
        {
            machine.Workloads.Remove(name);
            await machine.User.DeleteWorkload(kind, name);
        });
    }

    private Step Retain()
    {
        var image = Image();
        _retained.Add(image);
        return new Step($"v{image} is retained", async machine =>
        {
            await machine.User.ApplyImage(machine.ImageNames[image], retain: true);
            machine.Retained.Add(image);
        });
    }

    private Step? Release()
    {
        if (_retained.Count == 0)
            return null;
        var image = _retained.ElementAt(_random.Next(_retained.Count));
        _retained.Remove(image);
        return new Step($"v{image} is released", async machine =>
        {
            machine.Retained.Remove(image);
            await machine.User.ApplyImage(machine.ImageNames[image], retain: false);
        });
    }

    private Step AskFor()
    {
        var image = Image();
        var retain = _retained.Contains(image) ? true : (bool?)null;
        return new Step($"a person asks for v{image}", machine => machine.User.ApplyImage(machine.ImageNames[image], retain));
    }

    // Not of an image that is retained: whether that was recorded before is a matter of milliseconds.
    private Step? DeleteResource()
    {
        var image = Image();
        return _retained.Contains(image) ? null : new Step($"the CachedImage of v{image} is deleted", async machine =>
        {
            machine.Deleted.Add(image);
            machine.Refreshed.Remove(image);
            await machine.User.DeleteImage(machine.ImageNames[image]);
        });
    }

    private Step MoveTag()
    {
        var image = Image();
        return new Step($"v{image} moves at the origin", machine =>
        {
            machine.MoveTag(image);
            return Task.CompletedTask;
        });
    }

    private Step Refresh()
    {
        var image = Image();
        return new Step($"a person wants v{image} compared", async machine =>
        {
            if (await machine.User.Refresh(machine.ImageNames[image]))
                machine.Refreshed[image] = machine.Versions[image].Count;
        });
    }

    private Step LoseTag()
    {
        var image = Image();
        return new Step($"the registry loses the tag v{image}", machine =>
        {
            if (machine.Content.RemoveTag(machine.ImageNames[image]))
                machine.Lost.Add(image);
            return Task.CompletedTask;
        });
    }

    private Step LoseBlob() => Spoil("loses", isRemoved: true);

    private Step DamageBlob() => Spoil("damages", isRemoved: false);

    private Step Spoil(string text, bool isRemoved)
    {
        var image = Image();
        return new Step($"the registry {text} a layer of v{image}", async machine =>
        {
            machine.Lost.Add(image);
            if (await machine.Content.DigestOf(machine.ImageNames[image]) is { Length: > 0 } digest
                && machine.Versions[image].Find(version => version.Digest == digest) is { } version)
                await machine.Content.Spoil(version.Layers[1].Digest, isRemoved);
        });
    }

    private Step Pull()
    {
        var image = Image();
        return new Step($"the node pulls v{image}", machine => machine.Node.Pull(image));
    }

    private Step? Rebuild()
    {
        var image = Image();
        return _faults?.IsRunning(FaultSteps.Postgres) == true
            ? null
            : new Step($"the view of v{image} is wrong, and kuik rebuild", machine => machine.Upkeep.Rebuild(image));
    }

    private Step PassTime()
    {
        var time = TimeSpan.FromSeconds(1 + (5 * _random.NextDouble()));
        return new Step(string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.0} s pass"), _ => Task.Delay(time));
    }

    private int Image() => _random.Next(Machine.QuietImage);

    private string Name(string what) => string.Create(CultureInfo.InvariantCulture, $"{what}-{_names++}");
}
