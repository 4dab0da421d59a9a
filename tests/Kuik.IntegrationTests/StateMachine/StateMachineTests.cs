using System.Diagnostics;
using System.Globalization;
using System.Text;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.StateMachine;

/// <summary>
/// Random schedules against the shipped services on a real Postgres, RabbitMQ, registry and kube-apiserver: after each step nothing that is
/// used has left the cache, and in the end everything is as it should be. KUIK_SEED says with which seed to begin (default 1),
/// KUIK_SCHEDULES how many there are (default 1). KUIK_PLANTED=1 plants each of the faults of <see cref="PlantedFault"/>, another text
/// those whose names contain it; default the first one.
/// </summary>
public sealed class StateMachineTests(MachineServers servers, ITestOutputHelper output) : IClassFixture<MachineServers>
{
    private const int Steps = 40;
    private const int StepsOfAPlant = 20;

    /// <summary>After the last step: retries after half a minute, leases that end, and then the work itself on a busy machine.</summary>
    private static readonly TimeSpan Settling = TimeSpan.FromMinutes(4);

    /// <summary>What failed because of a server that is back is not tried again for minutes, unless a person asks for it.</summary>
    private const int PassesBetweenRetries = 10;

    /// <summary>The same without faults of servers, but the planted one.</summary>
    private static readonly TimeSpan ShortSettling = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task After_each_step_what_is_used_is_cached_and_in_the_end_everything_is_true()
    {
        var first = Read("KUIK_SEED", 1);
        for (var seed = first; seed < first + Read("KUIK_SCHEDULES", 1); seed++)
        {
            var clock = Stopwatch.StartNew();
            var steps = new ScheduleGenerator(seed, hasFaults: true).Generate(Steps);
            if (await Run(steps, null, Settling) is { } problem)
                Assert.Fail($"KUIK_SEED={seed}\n{problem}");
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"KUIK_SEED={seed}: right after {clock.Elapsed.TotalSeconds:0} s"));
        }
    }

    [Fact]
    public async Task A_planted_fault_is_found()
    {
        var (missed, wanted) = (new List<string>(), Environment.GetEnvironmentVariable("KUIK_PLANTED") ?? "");
        var random = new ScheduleGenerator(Read("KUIK_SEED", 1), hasFaults: false).Generate(StepsOfAPlant);
        if (wanted == "1" && await Run(new PlantedFault("none").AddTo(random), null, ShortSettling) is { } wrong)
            Assert.Fail($"KUIK_SEED={Read("KUIK_SEED", 1)}, and nothing is planted:\n{wrong}");
        foreach (var plant in PlantedFault.All.Where(plant => IsWanted(plant, wanted)))
        {
            var clock = Stopwatch.StartNew();
            var steps = plant.AddTo(random);
            var problem = await Run(steps, plant, ShortSettling);
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{plant.Name} | {clock.Elapsed.TotalSeconds:0} s | {problem?.Split('\n')[0] ?? "NOT FOUND"}"));
            if (problem is null)
                missed.Add(plant.Name);
        }
        Assert.True(missed.Count == 0, $"not found: {string.Join(", ", missed)}");
    }

    private static bool IsWanted(PlantedFault plant, string wanted) => wanted switch
    {
        "" => plant == PlantedFault.All[0],
        "1" => true,
        _ => plant.Name.Contains(wanted, StringComparison.Ordinal),
    };

    /// <summary>Runs one schedule.</summary>
    /// <returns>The first violation, or what is not right in the end, with the steps and the services' logs; null for neither.</returns>
    private async Task<string?> Run(IReadOnlyList<Step> steps, PlantedFault? plant, TimeSpan settling)
    {
        await using var machine = await Machine.Start(servers, plant);
        var (done, safety, clock) = (new StringBuilder(), new SafetyCheck(machine), Stopwatch.StartNew());
        string? problem = null;
        foreach (var step in steps)
        {
            done.AppendLine(CultureInfo.InvariantCulture, $"{clock.Elapsed.TotalSeconds,6:0.0} s {step.Text}");
            var began = DateTimeOffset.UtcNow;
            problem = await Try(step, machine) ?? await safety.FindViolation(began) ?? FindEnded(machine);
            if (problem is not null)
                break;
            await Task.Delay(step.Pause);
        }
        problem ??= await Settle(machine, safety, settling);
        return problem is null ? null : $"""
            {problem}

            {done}
            {string.Join("\n\n", machine.Services.All.Select(replica => $"{replica.Name}:\n{replica.Tail}"))}
            """;
    }

    /// <returns>Why the step failed; null when it has not.</returns>
    private static async Task<string?> Try(Step step, Machine machine)
    {
        try
        {
            await step.Run(machine);
            return null;
        }
        catch (Exception fault)
            when (fault is TimeoutException or HttpRequestException or InvalidOperationException or ServerFailedException)
        {
            return $"the step \"{step.Text}\" failed: {fault.Message}";
        }
    }

    private static async Task<string?> Settle(Machine machine, SafetyCheck safety, TimeSpan settling)
    {
        if (machine.Lost.Count > 0)
            await machine.Upkeep.Scrub();
        var (rest, deadline) = (new RestCheck(machine), DateTimeOffset.UtcNow + settling);
        for (var pass = 0; ; pass++)
        {
            if (pass % PassesBetweenRetries == 0)
                await machine.Upkeep.RetryFailed();
            var violation = await safety.FindViolation(DateTimeOffset.UtcNow) ?? FindEnded(machine);
            if (violation is not null)
                return violation;
            var problems = await rest.FindProblems();
            if (problems.Count == 0)
                return null;
            if (DateTimeOffset.UtcNow > deadline)
                return string.Join('\n', problems);
            await Task.Delay(500);
        }
    }

    private static string? FindEnded(Machine machine) =>
        machine.Services.All.FirstOrDefault(replica => replica.HasEndedByItself) is { } ended
            ? $"{ended.Name} has ended by itself with exit code {ended.Service.Process.ExitCode}"
            : null;

    private static int Read(string name, int fallback) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : fallback;
}
