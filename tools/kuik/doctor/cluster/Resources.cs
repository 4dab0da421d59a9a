using Kuik.Kubernetes;

namespace Kuik.CommandLine.Doctor;

// Kubernetes objects, as far as the checks read them. Null is "absent".

internal sealed record Condition(string? Type, string? Status, string? Reason = null, string? Message = null);

internal sealed record Namespace(ObjectMeta Metadata);

internal sealed record Node(ObjectMeta Metadata, NodeStatus? Status = null)
{
    /// <summary>True when pods can run on it.</summary>
    public bool IsReady => Status?.Conditions?.Any(condition => condition is { Type: "Ready", Status: "True" }) == true;

    /// <summary>Kuik rewrites no pod of a Windows node.</summary>
    public bool IsLinux => Metadata.Labels?.GetValueOrDefault("kubernetes.io/os", "linux") is null or "linux";
}

internal sealed record NodeStatus(IReadOnlyList<Condition>? Conditions = null);

internal sealed record Pod(ObjectMeta Metadata, PodSpec? Spec = null, PodStatus? Status = null)
{
    /// <summary>The part of Kuik that it belongs to: <c>webhook</c>, <c>node-proxy</c> and so on; empty for none.</summary>
    public string Component => Metadata.Labels?.GetValueOrDefault("app.kubernetes.io/component") ?? "";

    /// <summary>True when all of its containers are ready.</summary>
    public bool IsReady => Status?.Conditions?.Any(condition => condition is { Type: "Ready", Status: "True" }) == true;

    /// <summary>True when it has ended, as pods of Jobs do, or is ending.</summary>
    public bool IsOver => Status?.Phase is "Succeeded" or "Failed" || Metadata.DeletionTimestamp is not null;

    /// <summary>States of all containers, init containers first.</summary>
    public IEnumerable<ContainerStatus> Containers => [.. Status?.InitContainerStatuses ?? [], .. Status?.ContainerStatuses ?? []];
}

internal sealed record PodSpec(string? NodeName = null, IReadOnlyList<Container>? Containers = null);

internal sealed record Container(
    string Name, string? Image = null, string? ImagePullPolicy = null, IReadOnlyList<EnvironmentVariable>? Env = null);

internal sealed record EnvironmentVariable(string Name, string? Value = null);

internal sealed record PodStatus(
    string? Phase = null, string? Reason = null, string? Message = null, IReadOnlyList<Condition>? Conditions = null,
    IReadOnlyList<ContainerStatus>? ContainerStatuses = null, IReadOnlyList<ContainerStatus>? InitContainerStatuses = null);

internal sealed record ContainerStatus(
    string Name, bool Ready = false, int RestartCount = 0, string? Image = null, ContainerState? State = null,
        ContainerState? LastState = null);

internal sealed record ContainerState(StateDetail? Waiting = null, StateDetail? Terminated = null);

internal sealed record StateDetail(string? Reason = null, string? Message = null, int? ExitCode = null);

/// <summary>A Deployment, StatefulSet or DaemonSet.</summary>
internal sealed record Workload(ObjectMeta Metadata, WorkloadSpec? Spec = null)
{
    /// <summary>Containers of its pods.</summary>
    public IReadOnlyList<Container> Containers => Spec?.Template?.Spec?.Containers ?? [];
}

/// <param name="Template">The template of its pods.</param>
/// <param name="Replicas">The number of pods; null for a DaemonSet.</param>
internal sealed record WorkloadSpec(PodTemplate? Template = null, int? Replicas = null);

internal sealed record PodTemplate(PodSpec? Spec = null);

internal sealed record Service(ObjectMeta Metadata, ServiceSpec? Spec = null);

internal sealed record ServiceSpec(string? ClusterIP = null, IReadOnlyList<ServicePort>? Ports = null);

internal sealed record ServicePort(int Port);

internal sealed record ConfigMap(ObjectMeta Metadata, IReadOnlyDictionary<string, string>? Data = null);

internal sealed record Secret(ObjectMeta Metadata, IReadOnlyDictionary<string, string>? Data = null);

internal sealed record VolumeClaim(ObjectMeta Metadata, VolumeClaimSpec? Spec = null, VolumeClaimStatus? Status = null);

/// <param name="StorageClassName">Null: the default class; empty: none.</param>
internal sealed record VolumeClaimSpec(string? StorageClassName = null);

internal sealed record VolumeClaimStatus(string? Phase = null);

internal sealed record StorageClass(ObjectMeta Metadata)
{
    /// <summary>True for the class of claims without a class.</summary>
    public bool IsDefault => Metadata.Annotations?.GetValueOrDefault("storageclass.kubernetes.io/is-default-class") == "true";
}

internal sealed record WebhookConfiguration(ObjectMeta Metadata, IReadOnlyList<MutatingWebhook>? Webhooks = null);

internal sealed record MutatingWebhook(
    string Name, WebhookClient? ClientConfig = null, string? FailurePolicy = null, LabelSelector? NamespaceSelector = null);

/// <param name="CaBundle">PEM as base64; null or empty for none.</param>
internal sealed record WebhookClient(string? CaBundle = null);

internal sealed record LabelSelector(
    IReadOnlyDictionary<string, string>? MatchLabels = null, IReadOnlyList<LabelRequirement>? MatchExpressions = null)
{
    /// <summary>Selects an object with these labels.</summary>
    public bool Matches(IReadOnlyDictionary<string, string>? labels) =>
        (MatchLabels ?? new Dictionary<string, string>()).All(label => labels?.GetValueOrDefault(label.Key) == label.Value)
        && (MatchExpressions ?? []).All(requirement => requirement.Holds(labels));
}

internal sealed record LabelRequirement(string Key, string Operator, IReadOnlyList<string>? Values = null)
{
    internal bool Holds(IReadOnlyDictionary<string, string>? labels)
    {
        var value = labels?.GetValueOrDefault(Key);
        return Operator switch
        {
            "In" => value is not null && Values?.Contains(value) == true,
            "NotIn" => value is null || Values?.Contains(value) != true,
            "Exists" => value is not null,
            "DoesNotExist" => value is null,
            _ => false,
        };
    }
}

internal sealed record Event(
    ObjectMeta Metadata, ObjectReference? InvolvedObject = null, string? Reason = null, string? Message = null,
    DateTimeOffset? LastTimestamp = null, DateTimeOffset? EventTime = null)
{
    /// <summary>When it was last seen; null when the event does not say.</summary>
    public DateTimeOffset? At => LastTimestamp ?? EventTime;
}

internal sealed record ObjectReference(string? Kind = null, string? Namespace = null, string? Name = null);
