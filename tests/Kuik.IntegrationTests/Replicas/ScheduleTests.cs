using System.Globalization;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Replicas;

/// <summary>
/// Up to five replicas that start, stop, are killed, frozen and cut off from each other at random, under pulls and background copies.
/// KUIK_TEST_SCHEDULE_SECONDS says for how long (default 30; the long form is 600), KUIK_TEST_SEED which sequence.
/// </summary>
public class ScheduleTests
{
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(Read("KUIK_TEST_SCHEDULE_SECONDS", 30));
    private static readonly int Seed = Read("KUIK_TEST_SEED", 1);

    /// <summary>As many as pull at once.</summary>
    private const int Clients = 24;

    /// <summary>A new image comes up for each so many pulls; the others are of images pulled before.</summary>
    private const int PullsOfAnImage = 4;

    [Fact]
    public async Task Clients_of_replicas_that_come_and_go_at_random_see_no_wrong_byte_no_failure_and_no_long_wait()
    {
        // Given
        await using var origins = await ScheduleOrigins.Start(Seed);
        var cache = await Registry.Start();
        var options = new FleetOptions(cache, [.. origins.All.Select(origin => origin.Host)]) { Size = 5, HasLinks = true };
        await using var fleet = await Fleet.Start(options, running: 3);
        var log = new PullLog();
        var schedule = new RandomSchedule(fleet, log, Seed);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);

        // When
        var load = new ScheduleLoad(fleet, origins, log, Seed);
        var clients = Enumerable.Range(0, Clients).Select(client => load.Pull(client, PullsOfAnImage, over.Token))
            .Append(load.Copy(over.Token)).ToList();
        await schedule.Run(Duration, TestContext.Current.CancellationToken);
        load.End();
        over.CancelAfter(3 * NodeClient.Bound);   // what a copy or a pull consists of has a bound each
        await Task.WhenAll(clients);
        // A replica that was killed deletes what it has left when it starts again.
        await Task.WhenAll(fleet.Replicas.Where(replica => !replica.IsRunning).Select(replica => replica.Start()));
        await fleet.Stop();

        // Then
        var (longest, waitedFor) = log.LongestWait;
        string[] problems =
        [
            .. log.WrongBytes,
            .. log.Failures.Where(failure => !origins.IsToBlame(failure)).Select(failure => failure.Message),
            .. load.WrongVerdicts,
            .. longest > NodeClient.Bound ? [$"a client waited {longest.TotalSeconds:0} s for {waitedFor}"] : Array.Empty<string>(),
            .. fleet.SpooledFiles().Select(file => $"{file} is left in a spool"),
            .. fleet.HeldLocks().Select(repository => $"the lock of {repository} is held"),
            .. OriginBytes.SentTooOften(origins.All, origins.Images.Select(image => image.Image), schedule.Disruptions),
        ];
        TestContext.Current.SendDiagnosticMessage(
            $"{log.Pulls} pulls of {origins.Images.Count} images, longest wait {longest.TotalSeconds:0.0} s");
        var run = $"KUIK_TEST_SEED={Seed} KUIK_TEST_SCHEDULE_SECONDS={Duration.TotalSeconds:0}";
        Assert.True(problems.Length == 0, $"{run}\n{string.Join('\n', problems)}\n\n{log.Timeline}\n{fleet.Logs}");
        Assert.True(log.Pulls >= Clients, $"only {log.Pulls} pulls");
    }

    private static int Read(string name, int fallback) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : fallback;
}
