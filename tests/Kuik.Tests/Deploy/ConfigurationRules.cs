using k8s.Models;

namespace Kuik.Tests.Deploy;

/// <summary>The ServiceAccounts, Secrets and ConfigMaps that pods need are made by something.</summary>
internal static class ConfigurationRules
{
    /// <summary>The objects that pod-watcher's setup creates: Secrets and their keys.</summary>
    private static readonly Dictionary<string, string[]> OfSetup = new()
    {
        ["kuik-credentials"] =
        [
            "postgres-password", "postgres", "rabbitmq-password", "rabbitmq", "registry-password", "registry-htpasswd",
            "registry-read-password", "registry-read-htpasswd", "registry-http-secret", "node-token", "rabbitmq-erlang-cookie",
        ],
        ["kuik-webhook-ca"] = ["tls.crt", "tls.key"],
        ["kuik-webhook-tls"] = ["tls.crt", "tls.key", "ca.crt"],
    };

    /// <summary>The objects that a user creates before the component is applied, according to docs/operations/install.md.</summary>
    private static readonly string[] OfUsers =
    [
        "Secret kuik-postgres", "Secret kuik-rabbitmq", "Secret kuik-registry-s3", "Secret kuik-registry-gcs", "Secret kuik-registry-azure",
        "ConfigMap kuik-certificate-authorities", "Secret kuik-image-pull",
    ];

    /// <summary>The objects that an operator derives from another one.</summary>
    private static readonly Dictionary<string, string> OfOperators = new()
    {
        ["Secret kuik-postgres-app"] = "Cluster kuik-postgres",
        ["Secret kuik-rabbitmq-default-user"] = "RabbitmqCluster kuik-rabbitmq",
    };

    /// <summary>A sentence for each one that is missing.</summary>
    public static IEnumerable<string> Problems(ManifestSet set, PodTemplate pods)
    {
        if (pods.Spec.ServiceAccountName is not { } account || !set.Has("ServiceAccount", account))
            yield return $"{pods.Owner} has no ServiceAccount of its own";
        foreach (var (kind, name, keys) in Needed(pods))
        {
            if (!IsThere(set, kind, name))
                yield return $"{pods.Owner} needs the {kind} {name}, which is made by nothing";
            foreach (var key in keys.Except(KeysOf(set, kind, name) ?? keys))
                yield return $"{pods.Owner} needs the key {key} of the {kind} {name}, which does not have it";
        }
    }

    /// <summary>The Secrets without which the containers are not started. Those of image pulls are none.</summary>
    public static IEnumerable<string> RequiredSecrets(PodTemplate pods) =>
        Needed(pods).Where(needed => needed.Kind == "Secret").Select(needed => needed.Name)
            .Except((pods.Spec.ImagePullSecrets ?? []).Select(secret => secret.Name));

    private static bool IsThere(ManifestSet set, string kind, string name) =>
        set.Has(kind, name) || (kind == "Secret" && OfSetup.ContainsKey(name)) || OfUsers.Contains($"{kind} {name}")
        || (OfOperators.TryGetValue($"{kind} {name}", out var owner) && set.Manifests.Any(manifest => manifest.Name == owner));

    // Null where they are not known.
    private static IEnumerable<string>? KeysOf(ManifestSet set, string kind, string name) => kind == "Secret"
        ? OfSetup.GetValueOrDefault(name)
        : set.All<V1ConfigMap>().FirstOrDefault(map => map.Metadata.Name == name)?.Data.Keys;

    // What the pod does not start without.
    private static IEnumerable<(string Kind, string Name, IReadOnlyList<string> Keys)> Needed(PodTemplate pods)
    {
        foreach (var container in pods.Containers)
        {
            foreach (var source in (container.Env ?? []).Select(variable => variable.ValueFrom).OfType<V1EnvVarSource>())
            {
                if (source.SecretKeyRef is { Optional: not true } secret)
                    yield return ("Secret", secret.Name, [secret.Key]);
                if (source.ConfigMapKeyRef is { Optional: not true } map)
                    yield return ("ConfigMap", map.Name, [map.Key]);
            }
            foreach (var source in container.EnvFrom ?? [])
            {
                if (source.SecretRef is { Optional: not true } secret)
                    yield return ("Secret", secret.Name, []);
                if (source.ConfigMapRef is { Optional: not true } map)
                    yield return ("ConfigMap", map.Name, []);
            }
        }
        foreach (var volume in pods.Spec.Volumes ?? [])
        {
            if (volume.Secret is { Optional: not true } secret)
                yield return ("Secret", secret.SecretName, [.. (secret.Items ?? []).Select(item => item.Key)]);
            if (volume.ConfigMap is { Optional: not true } map)
                yield return ("ConfigMap", map.Name, [.. (map.Items ?? []).Select(item => item.Key)]);
        }
        foreach (var secret in pods.Spec.ImagePullSecrets ?? [])
            yield return ("Secret", secret.Name, []);
    }
}
