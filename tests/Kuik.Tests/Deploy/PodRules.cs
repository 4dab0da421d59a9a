using k8s.Models;

namespace Kuik.Tests.Deploy;

/// <summary>Rules for every pod: small permissions, resource limits, and no obstacle for the cluster.</summary>
internal static class PodRules
{
    /// <summary>The services that speak to the Kubernetes API.</summary>
    private static readonly string[] WithToken = ["Deployment kuik-pod-watcher", "Deployment kuik-image-fetcher", "Deployment kuik-expiry"];

    /// <summary>The one that writes a file of the node, as root: an opt-in component.</summary>
    private const string Mirror = "DaemonSet kuik-mirror";

    /// <summary>Its entry point writes beside its pages.</summary>
    private const string RegistryUi = "Deployment kuik-registry-ui";

    /// <summary>A sentence for each rule that is broken.</summary>
    public static IEnumerable<string> Problems(ManifestSet set) =>
        set.Pods.SelectMany(OfPods)
            .Concat(set.Pods.SelectMany(pods => pods.Containers.SelectMany(container => OfContainer(pods, container))))
            .Concat(set.Pods.SelectMany(OfProbes)).Concat(set.Manifests.SelectMany(OfObject)).Concat(OfPriorities(set));

    private static IEnumerable<string> OfPods(PodTemplate pods)
    {
        var spec = pods.Spec;
        if (spec.NodeSelector?.Contains(new("kubernetes.io/os", "linux")) != true)
            yield return $"{pods.Owner} may be scheduled to a node that is not Linux";
        if (!WithToken.Contains(pods.Owner) && spec.AutomountServiceAccountToken != false)
            yield return $"{pods.Owner} gets a token and needs none";
        if (spec.TerminationGracePeriodSeconds is null)
            yield return $"{pods.Owner} does not say how long its end may take";
        if (pods.IsNodeProxy && ConfigurationRules.RequiredSecrets(pods).FirstOrDefault() is { } secret)
            yield return $"{pods.Owner} does not start without the Secret {secret}, and its node then pulls nothing";
        if (pods.Owner == Mirror)
            yield break;
        var context = spec.SecurityContext ?? new V1PodSecurityContext();
        if (context.RunAsNonRoot != true || context.RunAsUser is not > 0 || context.RunAsGroup is not > 0)
            yield return $"{pods.Owner} may run as root: runAsNonRoot, runAsUser and runAsGroup are to be set";
        if (context.SeccompProfile?.Type != "RuntimeDefault")
            yield return $"{pods.Owner} has no seccomp profile";
        if (!pods.IsNodeProxy && (spec.HostNetwork == true || spec.HostPID == true || spec.HostIPC == true))
            yield return $"{pods.Owner} uses the node's namespaces";
        if ((spec.Volumes ?? []).FirstOrDefault(volume => volume.HostPath is not null) is { } host)
            yield return $"{pods.Owner} mounts the node's {host.HostPath.Path}";
    }

    private static IEnumerable<string> OfContainer(PodTemplate pods, V1Container container)
    {
        var name = $"{container.Name} of {pods.Owner}";
        if (!IsRestricted(container.SecurityContext ?? new V1SecurityContext()))
            yield return $"{name} is not restricted: no privilege escalation, no capabilities, not as root";
        if (container.SecurityContext?.ReadOnlyRootFilesystem != true && pods.Owner != RegistryUi)
            yield return $"{name} may write to its image";
        if (container.Resources?.Requests is not { } requests || !requests.ContainsKey("memory") || !requests.ContainsKey("cpu"))
            yield return $"{name} has no requests for CPU and memory";
        if (container.Resources?.Limits?.ContainsKey("memory") != true)
            yield return $"{name} has no limit of memory";
        var image = container.Image.Split('/')[^1].Split(':', 2);
        if (!container.Image.Contains('@', StringComparison.Ordinal) && (image.Length < 2 || image[1] == "latest"))
            yield return $"{name} has no fixed image: {container.Image}";
        if (!pods.IsNodeProxy && (container.Ports ?? []).Any(port => port.HostPort > 0))
            yield return $"{name} takes a port of the node";
    }

    private static bool IsRestricted(V1SecurityContext context) =>
        context.AllowPrivilegeEscalation == false && context.Privileged != true && context.RunAsUser != 0 && context.RunAsNonRoot != false
        && context.Capabilities is { Drop: { } dropped, Add: null or { Count: 0 } } && dropped.Contains("ALL");

    private static IEnumerable<string> OfProbes(PodTemplate pods) => pods.Owner.StartsWith("CronJob ", StringComparison.Ordinal) ? [] :
        pods.Spec.Containers.Where(container => container.ReadinessProbe is null || container.LivenessProbe is null)
            .Select(container => $"{container.Name} of {pods.Owner} has no probes");

    private static IEnumerable<string> OfObject(Manifest manifest)
    {
        var labels = manifest.Metadata.Labels ?? new Dictionary<string, string>();
        if (!labels.Contains(new("app.kubernetes.io/name", "kuik")) || !labels.Contains(new("app.kubernetes.io/part-of", "kuik"))
            || !labels.ContainsKey("app.kubernetes.io/component"))
            yield return $"{manifest.Name} lacks the labels of all objects of Kuik";
        if (manifest.Kind is not "CustomResourceDefinition" && !manifest.Metadata.Name.StartsWith("kuik-", StringComparison.Ordinal))
            yield return $"{manifest.Name} is not named kuik-…";
    }

    private static IEnumerable<string> OfPriorities(ManifestSet set)
    {
        var used = set.Pods.Select(pods => pods.Spec.PriorityClassName).OfType<string>().Distinct();
        var allowed = set.All<V1ResourceQuota>().SelectMany(quota => quota.Spec.ScopeSelector?.MatchExpressions ?? [])
            .SelectMany(scope => scope.Values ?? []);
        return used.Where(name => name.StartsWith("system-", StringComparison.Ordinal)).Except(allowed)
            .Select(name => $"no ResourceQuota allows pods of {name}, which GKE asks for");
    }
}
