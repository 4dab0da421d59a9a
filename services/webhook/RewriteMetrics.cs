using System.Diagnostics.Metrics;

namespace Kuik.Webhook;

/// <summary>Counts containers by outcome:
/// <c>kuik_webhook_containers_total{outcome="rewritten"|"already-rewritten"|"pull-policy-never"|…}</c>.</summary>
public sealed class RewriteMetrics
{
    /// <summary>The meter's name.</summary>
    public const string Meter = "Kuik.Webhook";

    private readonly Counter<long> _containers;

    /// <summary>Counts on a meter of its own.</summary>
    public RewriteMetrics(IMeterFactory meters) => _containers = meters.Create(Meter).CreateCounter<long>(
        "kuik.webhook.containers",
        description: "Containers and image volumes of reviewed pods, by what became of their image. Dry runs are not counted.");

    /// <summary>Counts a pod's containers and image volumes. There are as many label values as <see cref="Outcome"/> has members.</summary>
    public void Count(PodDecision decision)
    {
        foreach (var (outcome, count) in decision.Containers.CountBy(container => container.Outcome))
            _containers.Add(count, KeyValuePair.Create<string, object?>("outcome", Label(outcome)));
        if (decision.Skipped > 0)
            _containers.Add(decision.Skipped, KeyValuePair.Create<string, object?>("outcome", Label(Outcome.PodTooLarge)));
    }

    /// <summary>The label of an outcome, in kebab case.</summary>
    internal static string Label(Outcome outcome) => outcome switch
    {
        Outcome.Rewritten => "rewritten",
        Outcome.Repointed => "repointed",
        Outcome.AlreadyRewritten => "already-rewritten",
        Outcome.LocalRegistry => "local-registry",
        Outcome.PullPolicyNever => "pull-policy-never",
        Outcome.PullPolicyAlways => "pull-policy-always",
        Outcome.Ignored => "ignored",
        Outcome.NotAccepted => "not-accepted",
        Outcome.NoLocalName => "no-local-name",
        Outcome.NotMarked => "not-marked",
        Outcome.Existing => "existing",
        Outcome.Unchanged => "unchanged",
        Outcome.PodLeftAlone => "pod-left-alone",
        Outcome.PodNotServed => "pod-not-served",
        Outcome.PodCritical => "pod-critical",
        Outcome.PodTerminating => "pod-terminating",
        Outcome.PodTooLarge => "pod-too-large",
        _ => "unknown",
    };
}
