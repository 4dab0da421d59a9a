namespace Kuik.CommandLine.Doctor.Checks;

/// <summary>Checks for the admission plugin AlwaysPullImages, with which Kuik rewrites nothing by default.</summary>
internal sealed class PullPolicyCheck : Check
{
    /// <inheritdoc/>
    public override string Name => "pull-policy";

    /// <inheritdoc/>
    protected override IEnumerable<IReading> Needs(ClusterSnapshot cluster) => [cluster.Admission, cluster.Settings];

    /// <inheritdoc/>
    protected override IEnumerable<Finding> Decide(ClusterSnapshot cluster)
    {
        var untouched = cluster.Admission.Value.Untouched;
        if (untouched.Denial is not null)
            return [Unknown("a pod is denied before its pull policy can be seen",
                "Choose an allowed image with --probe-image, or another namespace with --probe-namespace.")];
        return untouched.PullPolicy != "Always" || IsRewritten(cluster) || cluster.HasComponent("mirror-mode")
            ? []
            : [Error("the API server sets imagePullPolicy Always on every container (AlwaysPullImages), so no pod is rewritten",
                "Set Kuik__Webhook__IgnorePullPolicyAlways=false, or use mirror mode: docs/pull-policy.md says what each means.")];
    }

    /// <inheritdoc/>
    protected override string Describe(ClusterSnapshot cluster) => cluster.Admission.Value.Untouched.PullPolicy != "Always"
        ? "AlwaysPullImages is off"
        : "AlwaysPullImages is on, and Kuik is set up for it";

    private static bool IsRewritten(ClusterSnapshot cluster) => string.Equals(
        cluster.Settings.Value.GetValueOrDefault("Kuik__Webhook__IgnorePullPolicyAlways"), "false", StringComparison.OrdinalIgnoreCase);
}
