using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Doctor.Checks;

/// <summary>Checks that Kuik's pods are ready, and finds the cause otherwise.</summary>
internal sealed class PodsCheck : Check
{
    /// <inheritdoc/>
    public override string Name => "pods";

    /// <inheritdoc/>
    protected override IEnumerable<IReading> Needs(ClusterSnapshot cluster) => [cluster.Pods];

    /// <inheritdoc/>
    protected override IEnumerable<Finding> Decide(ClusterSnapshot cluster)
    {
        var pods = cluster.Pods.Value.Where(pod => !pod.IsOver).ToList();
        if (pods.Count == 0)
            yield return Error($"there is no pod in {cluster.Namespace}",
                "Apply the overlay; if it is applied, read the events: kubectl -n "
                + $"{cluster.Namespace} get events.");
        foreach (var pod in pods.Where(pod => !pod.IsReady))
            yield return Error($"pod {pod.Metadata.Name} is not ready: {ReasonOf(pod)}", ActionOf(pod, cluster.Namespace));
        foreach (var (pod, container) in pods.Where(pod => pod.IsReady)
            .SelectMany(pod => pod.Containers, (pod, container) => (pod, container)).Where(one => one.container.RestartCount >= 5))
            yield return Warning(
                $"container {container.Name} of pod {pod.Metadata.Name} was restarted {container.RestartCount} times, last "
                    + $"{Ended(container)}",
                $"Read why: kubectl -n {cluster.Namespace} logs {pod.Metadata.Name} -c {container.Name} --previous.");
    }

    /// <inheritdoc/>
    protected override string Describe(ClusterSnapshot cluster) => $"all {cluster.Pods.Value.Count(pod => !pod.IsOver)} pods are ready";

    private static string ReasonOf(Pod pod)
    {
        if (pod.Containers.FirstOrDefault(one =>
            one.State?.Waiting is { Reason: not "PodInitializing" }) is { State.Waiting: { } waiting } stuck)
            return $"container {stuck.Name} is {waiting.Reason}" + Of(waiting.Message)
                + (stuck.LastState?.Terminated is null ? "" : $" (last {Ended(stuck)})");
        if (pod.Status?.Conditions?.FirstOrDefault(condition => condition is { Type: "PodScheduled", Status: "False" }) is { } unscheduled)
            return (unscheduled.Reason ?? "it has no node") + Of(unscheduled.Message);
        var unready = pod.Containers.Where(one => !one.Ready && one.State?.Terminated is null).Select(one => one.Name).ToList();
        return unready.Count > 0 ? $"its probe fails in {string.Join(", ", unready)}"
            : pod.Status?.Reason ?? pod.Status?.Phase ?? "it was not started yet";
    }

    private static string ActionOf(Pod pod, string space)
    {
        var waiting = pod.Containers.Select(one => one.State?.Waiting?.Reason)
            .FirstOrDefault(reason => reason is not null and not "PodInitializing");
        var name = pod.Metadata.Name;
        return waiting switch
        {
            "CreateContainerConfigError" or "ContainerCreating" =>
                $"It may wait for a Secret that setup makes: kubectl -n {space} logs deployment/kuik-pod-watcher -c setup.",
            "ErrImagePull" or "ImagePullBackOff" or "InvalidImageName" =>
                "Make Kuik's own images available to the node: the component second-registry names where they are.",
            "CrashLoopBackOff" => $"Read its last words: kubectl -n {space} logs {name} --all-containers --previous.",
            _ => $"Look at it: kubectl -n {space} describe pod {name}.",
        };
    }

    private static string Ended(ContainerStatus container) => container.LastState?.Terminated is { } end
        ? $"ended with exit code {end.ExitCode}" + (end.Reason is null ? "" : $", {end.Reason}")
        : "end unknown";

    private static string Of(string? message) => string.IsNullOrEmpty(message) ? "" : ": " + Excerpt.Of(message);
}
