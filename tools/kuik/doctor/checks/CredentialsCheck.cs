using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Doctor.Checks;

/// <summary>Checks that Kuik's parts accept each other's credentials, and that origins accept those of pods.</summary>
internal sealed class CredentialsCheck : Check
{
    private static readonly string[] Refusals = ["authentication failed", "28P01", "ACCESS_REFUSED"];

    private static readonly string[] Keys =
    [
        "postgres", "rabbitmq", "rabbitmq-password", "registry-password", "registry-htpasswd",
        "registry-read-password", "registry-read-htpasswd", "registry-http-secret", "node-token",
    ];

    /// <inheritdoc/>
    public override string Name => "credentials";

    /// <inheritdoc/>
    protected override IEnumerable<IReading> Needs(ClusterSnapshot cluster) => [cluster.Images, cluster.CredentialKeys, cluster.Claims];

    /// <inheritdoc/>
    protected override IEnumerable<Finding> Decide(ClusterSnapshot cluster)
    {
        if (cluster.CredentialKeys.Value is not { } keys)
            yield return OfNoSecret(cluster);
        else if (Keys.Where(key => !keys.Contains(key)).ToList() is { Count: > 0 } absent)
            yield return Error($"the Secret kuik-credentials lacks {string.Join(", ", absent)}",
                "Restart pod-watcher, whose setup adds what is missing; its log says when it cannot.");
        var refused = CacheErrors.Of(cluster.Images.Value).Count(CacheErrors.IsOfCredentials);
        if (refused > 0)
            yield return Error(
                $"the cache registry refuses image-fetcher's credentials, of {refused} images",
                "Make registry-htpasswd in the Secret kuik-credentials of registry-password again: delete the key registry-htpasswd and "
                    + "restart pod-watcher.");
        foreach (var answers in cluster.Answers)
            foreach (var line in ReadinessLine.UnwellOf(answers).Where(line => Refusals.Any(line.Contains)))
                yield return Error($"{answers.Pod} is refused: {Excerpt.Of(line)}",
                    "Restore the Secret kuik-credentials that belongs to this database and broker (docs/operations/backup.md).");
        var images = CacheErrors.RefusedByOrigin(cluster.Images.Value);
        if (images.Count > 0)
            yield return Warning($"their registries refuse the pull secrets, or the lack of them, of {Excerpt.Of(images)}",
                "Check the imagePullSecrets of their pods; docs/private-images.md says which are used.");
    }

    /// <inheritdoc/>
    protected override string Describe(ClusterSnapshot cluster) => "none is refused";

    private Finding OfNoSecret(ClusterSnapshot cluster)
    {
        var isBound = cluster.Claims.Value.Any(claim => claim.Metadata.Annotations?.ContainsKey("kuik.enix.io/credentials") == true);
        return isBound
            ? Error("the Secret kuik-credentials is gone, and the database on the volume was made with it",
                "Restore the Secret from a backup (docs/operations/backup.md); a new password would not fit the data.")
            : Error("the Secret kuik-credentials is not there",
                $"pod-watcher's setup makes it: kubectl -n {cluster.Namespace} logs deployment/kuik-pod-watcher -c setup.");
    }
}
