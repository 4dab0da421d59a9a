using Kuik.ImageFetcher.CopyEngine;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.CopyEngine;

public class WorkWatchdogTests
{
    private readonly FakeTimeProvider time = new();

    [Fact]
    public async Task Work_without_progress_for_longer_than_every_limit_is_unhealthy_until_it_moves_or_ends()
    {
        var watchdog = new WorkWatchdog(time);
        using var moving = watchdog.Begin("download of blob a");
        var stuck = watchdog.Begin("manifest of b");

        time.Advance(WorkWatchdog.Limit + TimeSpan.FromMinutes(1));
        moving.Progress();
        var before = await Check(watchdog);
        stuck.Dispose();

        Assert.Equal((HealthStatus.Unhealthy, "the manifest of b has made no progress for 21 min"), (before.Status, before.Description));
        Assert.Equal(HealthStatus.Healthy, (await Check(watchdog)).Status);
        Assert.Equal("download of blob a", watchdog.Oldest?.What);
    }

    [Fact]
    public async Task A_process_without_work_is_healthy()
    {
        var watchdog = new WorkWatchdog(time);
        time.Advance(TimeSpan.FromDays(1));

        Assert.Equal(HealthStatus.Healthy, (await Check(watchdog)).Status);
        Assert.Null(watchdog.Oldest);
    }

    private static Task<HealthCheckResult> Check(WorkWatchdog watchdog) => watchdog.CheckHealthAsync(new HealthCheckContext());
}
