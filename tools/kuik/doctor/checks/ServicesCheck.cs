using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Doctor.Checks;

/// <summary>Checks each service's connections to its servers: database, broker, cache, Kubernetes.</summary>
internal sealed class ServicesCheck : Check
{
    /// <inheritdoc/>
    public override string Name => "services";

    /// <inheritdoc/>
    protected override IEnumerable<IReading> Needs(ClusterSnapshot cluster) => [cluster.Pods];

    /// <inheritdoc/>
    protected override IEnumerable<Finding> Decide(ClusterSnapshot cluster)
    {
        if (cluster.Answers.Count == 0)
            yield return Unknown("no service runs that could be asked", "See the finding of pods.");
        foreach (var answers in cluster.Answers)
        {
            if (answers.Readiness.Problem is { } problem)
                yield return Unknown($"{answers.Pod} was not asked: {Excerpt.Of(problem)}",
                    "Run it as a user that may get pods/proxy; if you may, the API server does not reach pods: see the finding of "
                        + "webhook.");
            foreach (var line in ReadinessLine.UnwellOf(answers))
                yield return ReadinessLine.IsUnhealthy(line)
                    ? Error($"{answers.Pod} says {Excerpt.Of(line)}", ActionOf(line, cluster))
                    : Warning($"{answers.Pod} says {Excerpt.Of(line)}", ActionOf(line, cluster));
        }
    }

    /// <inheritdoc/>
    protected override string Describe(ClusterSnapshot cluster) => $"all of {cluster.Answers.Count} that were asked are well";

    private static string ActionOf(string line, ClusterSnapshot cluster) => line.Split(':')[0] switch
    {
        "postgres" => $"See to Postgres: kubectl -n {cluster.Namespace} logs -l app.kubernetes.io/component=postgres.",
        "masstransit-bus" => $"See to RabbitMQ: kubectl -n {cluster.Namespace} logs -l app.kubernetes.io/component=rabbitmq.",
        "cache" => $"See to the cache registry: kubectl -n {cluster.Namespace} logs -l app.kubernetes.io/component=registry "
            + "--all-containers.",
        "projections" => "See docs/operations/event-log.md.",
        _ => $"Read the service's log: kubectl -n {cluster.Namespace} logs -l app.kubernetes.io/name=kuik --prefix.",
    };
}
