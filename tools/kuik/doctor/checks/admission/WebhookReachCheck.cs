using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Doctor.Checks;

/// <summary>Checks that the API server reaches the webhook, by a dry run of a pod.</summary>
internal sealed class WebhookReachCheck : Check
{
    /// <inheritdoc/>
    public override string Name => "webhook";

    /// <inheritdoc/>
    protected override IEnumerable<IReading> Needs(ClusterSnapshot cluster) => [cluster.Webhook, cluster.Namespaces];

    /// <inheritdoc/>
    protected override IEnumerable<Finding> Decide(ClusterSnapshot cluster)
    {
        if (cluster.Webhook.Value is not { } configuration)
            return [Warning("there is no MutatingWebhookConfiguration kuik-webhook, so no pod is rewritten",
                "Apply the overlay again when pods are to be rewritten (kubectl apply -k).")];
        var findings = new List<Finding>();
        if (configuration.Webhooks?.Any(hook => hook.FailurePolicy == "Fail") == true)
            findings.Add(Warning("failurePolicy is Fail: while the webhook does not answer, no pod can be created",
                "Set it to Ignore, as Kuik ships it."));
        if (cluster.SelectedNamespaces is [])
        {
            if (!cluster.HasComponent("observe-only") && !cluster.HasComponent("mirror-mode"))
                findings.Add(Warning("its namespaceSelector selects no namespace, so no pod is rewritten",
                    "Label a namespace as the selector asks, or apply the overlay again."));
        }
        else
        {
            findings.AddRange(OfProbe(cluster));
        }
        return findings;
    }

    /// <inheritdoc/>
    protected override string Describe(ClusterSnapshot cluster) => cluster.SelectedNamespaces is []
        ? "no namespace is selected, as the installed component wants it"
        : $"the API server reaches it: a pod in {cluster.Admission.Value.Namespace} was sent to it";

    private IEnumerable<Finding> OfProbe(ClusterSnapshot cluster)
    {
        if (cluster.Admission.Problem is { } problem)
            return [Unknown("the API server was not asked about a pod: " + problem,
                "Run it as a user that may create pods there, or choose a namespace with --probe-namespace.")];
        var probe = cluster.Admission.Value;
        if (probe.Rewritten.WasSeen)
            return [];
        if (probe.Rewritten.Denial is { } denial)
            return [Unknown($"a pod in {probe.Namespace} is denied: {Excerpt.Of(denial)}",
                "See the finding of policy-engines; or choose an allowed image with --probe-image.")];
        return [OfUnseen(cluster, probe)];
    }

    private Finding OfUnseen(ClusterSnapshot cluster, Admission probe)
    {
        var found = $"a pod in {probe.Namespace} was admitted without it";
        var webhooks = cluster.Answers.Where(answers => answers.Component == "webhook").ToList();
        if (webhooks.Count == 0)
            return Error(found + ", and none of its pods runs",
                $"Look at them: kubectl -n {cluster.Namespace} describe pods -l app.kubernetes.io/component=webhook.");
        if (webhooks.All(answers => answers.Readiness.Problem is not null))
            return Error(
                $"{found}: the API server does not reach port 9443 of its pods ({Excerpt.Of(webhooks[0].Readiness.Problem!)})",
                "Allow port 9443 from the control plane (GKE: the firewall of a private cluster); where it cannot reach pods (EKS with "
                    + "an overlay network), set hostNetwork: true on the Deployment kuik-webhook.");
        return Error(
            $"{found}, though the API server reaches its pods",
            "See the finding of webhook-certificate; the API server's log says \"failed calling webhook\" with the cause; if the "
                + "namespace is excluded on purpose, use --probe-namespace.");
    }
}
