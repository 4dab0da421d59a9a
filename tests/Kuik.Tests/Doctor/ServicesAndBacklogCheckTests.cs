using Kuik.CommandLine.Doctor;
using Kuik.CommandLine.Doctor.Checks;
using Xunit;
using static Kuik.Tests.Doctor.HealthyCluster;

namespace Kuik.Tests.Doctor;

public sealed class ServicesAndBacklogCheckTests
{
    [Theory]
    [InlineData("Unhealthy\npostgres: Unhealthy fails at kuik-postgres:5432: connection refused", Severity.Error, "Postgres")]
    [InlineData("Unhealthy\nmasstransit-bus: Unhealthy Not ready: not started", Severity.Error, "RabbitMQ")]
    [InlineData("Degraded\ncache: Degraded the cache registry at http://kuik-registry:5000/ answers 503", Severity.Warning, "registry")]
    public void What_a_service_lacks_is_said_and_where_to_look(string readiness, Severity expected, string action)
    {
        var finding = new ServicesCheck().Only(Snapshot with { Answers = [Answer("image-fetcher", readiness)] });

        Assert.Equal((expected, $"kuik-image-fetcher-1 says {readiness.Split('\n')[1]}"), (finding.Severity, finding.Found));
        Assert.Contains(action, finding.Action, StringComparison.Ordinal);
    }

    [Fact]
    public void A_service_that_is_not_reached_is_unknown() =>
        Assert.Equal(Severity.Unknown, new ServicesCheck().Only(Snapshot with { Answers = [Unreached("expiry", "403 forbidden")] })
            .Severity);

    [Theory]
    [InlineData("kuik_event_log_lag_seconds{otel_scope_name=\"Kuik.EventLog\",shard=\"relay\"} 5 1700000000000", Severity.Ok)]
    [InlineData("kuik_event_log_lag_seconds{otel_scope_name=\"Kuik.EventLog\",shard=\"relay\"} 180.5", Severity.Warning)]
    [InlineData("kuik_event_log_lag_seconds{shard=\"relay\"} 7300", Severity.Error)]
    [InlineData("kuik_watcher_queue_oldest_seconds{queue=\"pods\"} 1000", Severity.Error)]
    [InlineData("kuik_watcher_observation_age_seconds 300", Severity.Ok)]
    [InlineData("kuik_watcher_observation_age_seconds 400", Severity.Warning)]
    [InlineData("kuik_work_overdue{kind=\"fetch\"} 12", Severity.Warning)]
    [InlineData("kuik_work_overdue{kind=\"fetch\"} 0", Severity.Ok)]
    [InlineData("kuik_spool_full_seconds{otel_scope_name=\"Kuik.CopyEngine\"} 90", Severity.Warning)]
    public void How_far_something_is_behind_is_read_off_the_metrics(string metrics, Severity expected) => Assert.Equal(
        expected, new BacklogCheck().Only(Snapshot with { Answers = [Answer("expiry", metrics: $"# TYPE x gauge\n{metrics}\n# EOF\n")] })
            .Severity);

    [Fact]
    public void The_finding_names_what_is_behind_and_how_far() => Assert.Equal(
        "the event log's relay is 3 min behind (kuik-expiry-1)",
        new BacklogCheck().Only(
            Snapshot with { Answers = [Answer("expiry", metrics: "kuik_event_log_lag_seconds{shard=\"relay\"} 180")] }).Found);

    [Fact]
    public void Metrics_that_cannot_be_read_are_unknown() =>
        Assert.Equal(Severity.Unknown, new BacklogCheck().Only(Snapshot with { Answers = [Unreached("expiry", "403")] }).Severity);
}
