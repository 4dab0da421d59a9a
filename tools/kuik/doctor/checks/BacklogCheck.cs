using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Doctor.Checks;

/// <summary>
/// Checks that work is done in time: the relay and the projections are at the end of the log, queues are short, and nothing is overdue.
/// </summary>
internal sealed class BacklogCheck : Check
{
    // In seconds. A minute is far more than any of these takes with a healthy database and broker; ten minutes are not a peak.
    private const double Late = 60;
    private const double TooLate = 600;

    // A watch without events reports progress once a minute, or only when it ends after five: pod-watcher's own limit is six.
    private const double Unseen = 360;

    private static readonly (string Metric, string Label, double Late, string What, string Action)[] Ages =
    [
        ("kuik_event_log_lag_seconds", "shard", Late, "the event log's {0} is {1} behind",
            "Look at Postgres, and at RabbitMQ for the relay; docs/operations/event-log.md says how a projection is made anew."),
        ("kuik_watcher_queue_oldest_seconds", "queue", Late, "pod-watcher's queue of {0} is {1} behind",
            "Read pod-watcher's log: it names what fails and why."),
        ("kuik_watcher_observation_age_seconds", "", Unseen, "pod-watcher has not seen the whole cluster for {1}",
            "Read pod-watcher's log: lists of the API may fail."),
        ("kuik_spool_full_seconds", "", Late, "image-fetcher's spool has been full for {1}",
            "Raise Kuik__Fetch__SpoolLimit and the volume spool of image-fetcher."),
    ];

    /// <inheritdoc/>
    public override string Name => "backlog";

    /// <inheritdoc/>
    protected override IEnumerable<IReading> Needs(ClusterSnapshot cluster) => [cluster.Pods];

    /// <inheritdoc/>
    protected override IEnumerable<Finding> Decide(ClusterSnapshot cluster)
    {
        var asked = cluster.Answers.Where(answers => answers.Component != "webhook").ToList();
        if (asked.Count == 0)
            yield return Unknown("no service runs that could be asked", "See the finding of pods.");
        foreach (var answers in asked.Where(answers => answers.Metrics.Problem is not null))
            yield return Unknown($"{answers.Pod} was not asked: {Excerpt.Of(answers.Metrics.Problem!)}",
                "Run it as a user that may get pods/proxy.");
        foreach (var answers in asked.Where(answers => answers.Metrics.Problem is null))
            foreach (var finding in OfMetrics(answers))
                yield return finding;
    }

    /// <inheritdoc/>
    protected override string Describe(ClusterSnapshot cluster) => "the event log is relayed and projected, and no work is overdue";

    private IEnumerable<Finding> OfMetrics(ServiceAnswers answers)
    {
        var metrics = answers.Metrics.Value;
        foreach (var (metric, label, late, what, action) in Ages)
            foreach (var sample in metrics.Of(metric).Where(sample => sample.Value > late))
            {
                var found = string.Format(null, what, sample.Label(label), Duration(sample.Value)) + $" ({answers.Pod})";
                yield return sample.Value > TooLate ? Error(found, action) : Warning(found, action);
            }
        foreach (var overdue in metrics.Of("kuik_work_overdue").Where(sample => sample.Value > 0))
            yield return Warning(
                $"{overdue.Value} images wait for \"{overdue.Label("kind")}\" for more than a minute, and no replica takes them "
                    + $"({answers.Pod})",
                overdue.Label("kind") is "expire" or "expire-at" ? "Read pod-watcher's log."
                    : "Look at RabbitMQ and image-fetcher's log; more replicas of image-fetcher help when it is busy.");
    }

    private static string Duration(double seconds) => seconds < 7200 ? $"{seconds / 60:0} min" : $"{seconds / 3600:0} h";
}
