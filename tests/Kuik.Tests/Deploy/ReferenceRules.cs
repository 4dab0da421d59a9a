using k8s.Models;

namespace Kuik.Tests.Deploy;

/// <summary>Every object that another one names exists.</summary>
internal static class ReferenceRules
{
    /// <summary>A sentence for each name that leads nowhere.</summary>
    public static IEnumerable<string> Problems(ManifestSet set) =>
        set.Pods.SelectMany(pods => ConfigurationRules.Problems(set, pods)).Concat(set.Pods.SelectMany(pods => OfVolumes(set, pods)))
            .Concat(OfServices(set)).Concat(OfSelectors(set)).Concat(OfRights(set)).Concat(OfWebhooks(set));

    private static IEnumerable<string> OfVolumes(ManifestSet set, PodTemplate pods)
    {
        var claims = set.All<V1StatefulSet>().Where(owner => pods.Owner == $"StatefulSet {owner.Metadata.Name}")
            .SelectMany(owner => owner.Spec.VolumeClaimTemplates ?? []).Select(claim => claim.Metadata.Name);
        var volumes = (pods.Spec.Volumes ?? []).Select(volume => volume.Name).Concat(claims).ToList();
        var mounts = pods.Containers.SelectMany(container => container.VolumeMounts ?? []).Select(mount => mount.Name).Distinct().ToList();
        foreach (var mount in mounts.Except(volumes))
            yield return $"{pods.Owner} mounts the volume {mount}, which it does not have";
        foreach (var volume in volumes.Except(mounts))
            yield return $"{pods.Owner} has the volume {volume}, which nothing mounts";
        foreach (var volume in volumes.GroupBy(name => name).Where(same => same.Count() > 1))
            yield return $"{pods.Owner} has {volume.Count()} volumes named {volume.Key}";
        foreach (var claim in (pods.Spec.Volumes ?? []).Select(volume => volume.PersistentVolumeClaim?.ClaimName).OfType<string>())
        {
            if (!set.Has("PersistentVolumeClaim", claim) && !FirstClaims(set).Contains(claim))
                yield return $"{pods.Owner} needs the claim {claim}, which is made by nothing";
        }
    }

    // Those of the first replica of each StatefulSet.
    private static IEnumerable<string> FirstClaims(ManifestSet set) => set.All<V1StatefulSet>().SelectMany(owner =>
        (owner.Spec.VolumeClaimTemplates ?? []).Select(claim => $"{claim.Metadata.Name}-{owner.Metadata.Name}-0"));

    private static IEnumerable<string> OfServices(ManifestSet set)
    {
        foreach (var service in set.All<V1Service>().Where(service => service.Spec.Selector is { Count: > 0 }))
        {
            if (set.Pods.FirstOrDefault(pods => pods.Matches(service.Spec.Selector)) is not { } behind)
            {
                yield return $"Service {service.Metadata.Name} selects no pods";
                continue;
            }
            var ports = behind.Spec.Containers.SelectMany(container => container.Ports ?? []).ToList();
            var names = ports.Select(port => port.Name).Concat(ports.Select(port => $"{port.ContainerPort}"));
            foreach (var target in service.Spec.Ports.Select(port => port.TargetPort.Value).Except(names))
                yield return $"Service {service.Metadata.Name} leads to port {target}, which {behind.Owner} does not have";
        }
        foreach (var owner in set.All<V1StatefulSet>().Where(owner => !set.Has("Service", owner.Spec.ServiceName)))
            yield return $"StatefulSet {owner.Metadata.Name} names the Service {owner.Spec.ServiceName}, which is not there";
    }

    private static IEnumerable<string> OfSelectors(ManifestSet set)
    {
        var selectors = set.All<V1PodDisruptionBudget>()
            .Select(budget => ($"PodDisruptionBudget {budget.Metadata.Name}", budget.Spec.Selector))
            .Concat(set.All<V1NetworkPolicy>().Select(policy => ($"NetworkPolicy {policy.Metadata.Name}", policy.Spec.PodSelector)));
        foreach (var (name, selector) in selectors)
        {
            if (!set.Pods.Any(pods => pods.Matches(selector.MatchLabels ?? new Dictionary<string, string>())))
                yield return $"{name} selects no pods";
        }
        foreach (var scaler in set.All<V2HorizontalPodAutoscaler>())
        {
            if (!set.Has(scaler.Spec.ScaleTargetRef.Kind, scaler.Spec.ScaleTargetRef.Name))
                yield return $"HorizontalPodAutoscaler {scaler.Metadata.Name} scales what is not there";
        }
    }

    private static IEnumerable<string> OfRights(ManifestSet set)
    {
        var bindings = set.All<V1RoleBinding>().Select(binding => (binding.Metadata.Name, binding.RoleRef, binding.Subjects))
            .Concat(set.All<V1ClusterRoleBinding>().Select(binding => (binding.Metadata.Name, binding.RoleRef, binding.Subjects)));
        foreach (var (name, role, subjects) in bindings)
        {
            if (!set.Has(role.Kind, role.Name))
                yield return $"the binding {name} names the {role.Kind} {role.Name}, which is not there";
            foreach (var subject in subjects.Where(subject => !set.Has(subject.Kind, subject.Name)))
                yield return $"the binding {name} names the {subject.Kind} {subject.Name}, which is not there";
        }
    }

    private static IEnumerable<string> OfWebhooks(ManifestSet set)
    {
        var ports = set.All<V1Service>().SelectMany(service => service.Spec.Ports.Select(port => $"{service.Metadata.Name}:{port.Port}"));
        return set.All<V1MutatingWebhookConfiguration>().SelectMany(configuration => configuration.Webhooks)
            .Select(webhook => $"{webhook.ClientConfig.Service.Name}:{webhook.ClientConfig.Service.Port}").Except(ports)
            .Select(address => $"a webhook is called at {address}, which is not there");
    }
}
