using Kuik.Kubernetes;

namespace Kuik.CommandLine.Doctor;

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
