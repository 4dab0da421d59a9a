using k8s.Models;

namespace Kuik.Tests.Deploy;

/// <summary>The combinations of an overlay and components that are not allowed.</summary>
internal static class CombinationRules
{
    private const string LostCache = "the event log would call images cached that a restarted registry has lost";
    private const string NoOwnBroker = "it asks the RabbitMQ of the installation, which is not there";

    /// <summary>Of each list at most one, and why.</summary>
    private static readonly (string[] Parts, string Why)[] Exclusive =
    [
        (["s3", "gcs", "azure", "shared-volume"], "the registry keeps its blobs in one place"),
        (["external-postgres", "cloudnative-pg"], "there is one event log"),
        (["external-rabbitmq", "rabbitmq-operator"], "there is one broker"),
        (["hpa", "keda"], "two autoscalers of image-fetcher would undo each other's work"),
        (["keda", "external-rabbitmq"], NoOwnBroker),
        (["keda", "rabbitmq-operator"], NoOwnBroker),
        (["ephemeral", "external-postgres"], LostCache),
        (["ephemeral", "cloudnative-pg"], LostCache),
        (["observe-only", "mirror-mode"], "the first promises that no pull goes through Kuik, the second sends all of them through it"),
    ];

    /// <summary>A sentence for each contradiction.</summary>
    public static IEnumerable<string> Problems(ManifestSet set) =>
        OfParts(set.Parts).Concat(OfVolumes(set)).Concat(OfNodeProxy(set)).Concat(OfImageFetcher(set));

    private static IEnumerable<string> OfParts(IReadOnlySet<string> parts) =>
        Exclusive.Where(rule => rule.Parts.Count(parts.Contains) > 1)
            .Select(rule => $"{string.Join(" and ", rule.Parts.Where(parts.Contains))} cannot be combined: {rule.Why}");

    private static IEnumerable<string> OfVolumes(ManifestSet set)
    {
        foreach (var owner in set.All<V1StatefulSet>().Where(owner => owner.Spec.Replicas > 1 && HasStoreForEach(owner.Spec)))
            yield return $"{owner.Metadata.Name} has {owner.Spec.Replicas} replicas with a store each: they need one store, such as s3";
        var registries = set.Pods.Where(pods => pods.Owner == "StatefulSet kuik-registry");
        foreach (var container in registries.SelectMany(pods => pods.Spec.Containers))
        {
            var driver = (container.Env ?? []).LastOrDefault(variable => variable.Name == "REGISTRY_STORAGE")?.Value;
            var hasVolume = (container.VolumeMounts ?? []).Any(mount => mount.MountPath == "/var/lib/registry");
            if ((driver == "filesystem") != hasVolume)
                yield return $"{container.Name} stores by the driver {driver} and has {(hasVolume ? "a" : "no")} volume";
        }
    }

    private static bool HasStoreForEach(V1StatefulSetSpec spec) =>
        (spec.VolumeClaimTemplates ?? []).Count > 0
        || (spec.Template.Spec.Volumes ?? []).Any(volume => volume.Name == "data" && volume.EmptyDir is not null);

    private static IEnumerable<string> OfNodeProxy(ManifestSet set)
    {
        foreach (var daemons in set.All<V1DaemonSet>().Where(daemons => daemons.Metadata.Name == "kuik-node-proxy"))
        {
            var pod = daemons.Spec.Template.Spec;
            var surges = daemons.Spec.UpdateStrategy.RollingUpdate.MaxSurge is { Value: not ("0" or "0%") };
            var ports = pod.Containers.SelectMany(container => container.Ports ?? []);
            if (surges && ports.Any(port => port.HostPort > 0 || pod.HostNetwork == true))
                yield return $"{daemons.Metadata.Name} declares a port of the node, so the second pod of maxSurge finds no room there";
            if (!surges && pod.HostNetwork == true)
                yield return $"{daemons.Metadata.Name} shares the node's network and does not surge: each update interrupts its pulls";
        }
    }

    private static IEnumerable<string> OfImageFetcher(ManifestSet set)
    {
        foreach (var pod in set.Pods.Where(pods => pods.Owner == "Deployment kuik-image-fetcher").Select(pods => pods.Spec))
        {
            string Setting(string name) => pod.Containers[0].Env.Last(variable => variable.Name == name).Value;
            var limit = pod.Volumes.Single(volume => volume.Name == "spool").EmptyDir.SizeLimit;
            if (limit.ToDecimal() < new ResourceQuantity(Setting("Kuik__Fetch__SpoolLimit")).ToDecimal() * 1.1m)
                yield return "the spool's volume is not a tenth larger than Kuik__Fetch__SpoolLimit: the kubelet would evict the pod";
            if (pod.TerminationGracePeriodSeconds < TimeSpan.Parse(Setting("Kuik__Fetch__DrainLimit"), null).TotalSeconds + 30)
                yield return "terminationGracePeriodSeconds of image-fetcher is less than Kuik__Fetch__DrainLimit and 30 s";
        }
    }
}
