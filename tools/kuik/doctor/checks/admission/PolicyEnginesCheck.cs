using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Doctor.Checks;

/// <summary>
/// Checks that policy engines allow rewritten images: by a dry run, by denied pods, and by the rules of Kyverno and Gatekeeper.
/// </summary>
internal sealed class PolicyEnginesCheck : Check
{
    private const string Action = "Allow the prefix in the policy: docs/policy-engines.md says how, for each engine.";

    private static readonly TimeSpan Recent = TimeSpan.FromHours(1);

    /// <inheritdoc/>
    public override string Name => "policy-engines";

    /// <inheritdoc/>
    protected override IEnumerable<IReading> Needs(ClusterSnapshot cluster) => [cluster.Settings];

    /// <inheritdoc/>
    protected override IEnumerable<Finding> Decide(ClusterSnapshot cluster) =>
        [.. OfProbe(cluster), .. OfEvents(cluster), .. OfRules(cluster)];

    /// <inheritdoc/>
    protected override string Describe(ClusterSnapshot cluster) => $"none denies {cluster.ProxyPrefix}…";

    private IEnumerable<Finding> OfProbe(ClusterSnapshot cluster)
    {
        if (cluster.Admission.Problem is { } problem)
            yield return Unknown("the API server was not asked about a pod: " + problem,
                "Run it as a user that may create pods there, or choose a namespace with --probe-namespace.");
        else if (cluster.Admission.Value is { Untouched.Denial: { } denial } probe)
            yield return Unknown($"a pod in {probe.Namespace} is denied even without Kuik: {Excerpt.Of(denial)}",
                "Choose an allowed image with --probe-image, or another namespace with --probe-namespace.");
        else if (cluster.Admission.Value is { Rewritten.Denial: { } refusal, Namespace: var space })
            yield return Error($"a rewritten pod in {space} is denied, and admitted when it opts out of Kuik: {Excerpt.Of(refusal)}",
                Action);
    }

    private IEnumerable<Finding> OfEvents(ClusterSnapshot cluster)
    {
        if (cluster.Events.Problem is { } problem)
        {
            yield return Unknown("which pods were denied: " + problem);
            yield break;
        }
        var denied = cluster.Events.Value.Where(e => e.Reason == "FailedCreate" && (e.At is not { } at || cluster.Time - at < Recent)
            && e.Message?.Contains(cluster.ProxyPrefix, StringComparison.Ordinal) == true).ToList();
        if (denied.Count > 0)
            yield return Error(
                $"pods of {Excerpt.Of([.. denied.Select(e => $"{e.InvolvedObject?.Namespace}/{e.InvolvedObject?.Name}").Distinct()])} "
                    + "are denied: "
                + Excerpt.Of(denied[^1].Message!), Action);
    }

    private IEnumerable<Finding> OfRules(ClusterSnapshot cluster)
    {
        if (cluster.ImageRules.Problem is { } problem)
            yield return Unknown("what the rules of Kyverno and Gatekeeper are: " + problem);
        else
            foreach (var rule in cluster.ImageRules.Value.Where(rule => !rule.Allowed.Any(pattern => Allows(pattern, cluster.ProxyPrefix))))
                yield return Warning($"{rule.Policy} allows {Excerpt.Of(rule.Allowed)}, and not {cluster.ProxyPrefix}…", Action);
    }

    // A leading "*" or "!": the rule is about tags, or lists denied images.
    private static bool Allows(string pattern, string prefix) =>
        pattern.Length == 0 || pattern[0] is '*' or '!' || pattern.StartsWith(prefix, StringComparison.Ordinal)
        || pattern.StartsWith("localhost:*", StringComparison.Ordinal) || pattern == "localhost*";
}
