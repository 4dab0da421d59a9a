using JasperFx.Events.Daemon;
using Kuik.EventLog;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Xunit;

namespace Kuik.Tests.EventLog;

public class ShardProgressTests
{
    private static readonly DateTimeOffset Noon = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly ShardProgress AtFive = new("relay:All", 5, 9, Noon, null);

    [Fact]
    public void A_shard_that_moves_or_has_nothing_to_do_is_well()
    {
        Assert.Null(AtFive.After(6, 9, null, Noon.AddHours(1)).StandsStill(Noon.AddHours(1)));
        Assert.Null(AtFive.After(9, 9, null, Noon.AddHours(1)).StandsStill(Noon.AddHours(5)));
    }

    [Fact]
    public void A_shard_with_events_before_it_that_has_not_moved_for_a_minute_is_not_ready()
    {
        var still = AtFive.After(5, 9, null, Noon.AddMinutes(1));

        Assert.Equal(Noon, still.StandsStill(Noon.AddMinutes(1)));
        Assert.Equal(HealthStatus.Unhealthy, ProjectionsHealth.Judge([still], Noon.AddMinutes(1)).Status);
        Assert.Equal(HealthStatus.Healthy, ProjectionsHealth.Judge([still], Noon.AddSeconds(59)).Status);
    }

    [Fact]
    public void A_failure_is_remembered_while_the_shard_is_started_again_and_over_when_it_has_got_past_it()
    {
        var failed = AtFive.After(5, 9, ShardFailure.For(new TimeoutException("not confirmed"), Noon), Noon);
        var startedAgain = failed.After(-1, 9, null, Noon.AddSeconds(5));
        var past = startedAgain.After(6, 9, null, Noon.AddSeconds(6));

        Assert.Equal(HealthStatus.Degraded, ProjectionsHealth.Judge([startedAgain], Noon).Status);
        Assert.Contains("not confirmed", ProjectionsHealth.Judge([startedAgain], Noon).Description, StringComparison.Ordinal);
        Assert.Equal(5, startedAgain.Position);
        Assert.Null(past.Failure);
    }

    [Fact]
    public void The_worst_of_several_shards_counts()
    {
        var still = AtFive with { Shard = "views:All" };
        var failed = AtFive with { Failure = ShardFailure.For(new TimeoutException("not confirmed"), Noon) };

        var health = ProjectionsHealth.Judge([failed, still], Noon.AddMinutes(2));

        Assert.Equal(HealthStatus.Unhealthy, health.Status);
        Assert.Contains("relay:All", health.Description, StringComparison.Ordinal);
        Assert.Contains("views:All", health.Description, StringComparison.Ordinal);
    }
}
