using JasperFx.Events;
using Kuik.Contracts;
using Marten;
using Marten.Events.Projections;

namespace Kuik.EventLog;

/// <summary>Updates the usage table (<see cref="ImageUsers"/>) in the transaction that appends events of pods and workloads, in every
/// service.</summary>
public sealed class ImageUsersProjection : EventProjection
{
    /// <summary>The projection's name in the log.</summary>
    public const string ProjectionName = "image-users";

    /// <summary>The instance for all services.</summary>
    public ImageUsersProjection()
    {
        Name = ProjectionName;
        IncludeType<PodObserved>();
        IncludeType<PodGone>();
        IncludeType<WorkloadObserved>();
        IncludeType<WorkloadGone>();
    }

    /// <inheritdoc/>
    public override ValueTask ApplyAsync(IDocumentOperations operations, IEvent e, CancellationToken cancellation)
    {
        switch (e.Data)
        {
            case PodObserved pod:
                Replace(operations, pod.PodUid, pod.Namespace, pod.Name, pod.Images, pod.PullSecrets);
                ReplaceDigests(operations, pod.PodUid, pod.Images);
                break;
            case PodGone pod:
                operations.QueueSqlCommand(ImageUsers.RemoveSql('?'), pod.PodUid);
                operations.QueueSqlCommand(RunningDigests.RemoveSql, pod.PodUid);
                break;
            case WorkloadObserved workload:
                Replace(
                    operations, UserKey.OfWorkload(workload.Kind, workload.WorkloadUid), workload.Namespace, workload.Name, workload.Images,
                    workload.PullSecrets);
                break;
            case WorkloadGone workload:
                operations.QueueSqlCommand(ImageUsers.RemoveSql('?'), UserKey.OfWorkload(workload.Kind, workload.WorkloadUid));
                break;
        }
        return ValueTask.CompletedTask;
    }

    private static void Replace(
        IDocumentOperations operations, string key, string @namespace, string name, IReadOnlyList<PodImage> images,
        IReadOnlyList<string> pullSecrets)
    {
        operations.QueueSqlCommand(ImageUsers.RemoveSql('?'), key);
        if (ImageUsers.ImagesOf(images) is { Length: > 0 } references)
            operations.QueueSqlCommand(ImageUsers.InsertSql('?'), references, key, @namespace, name, pullSecrets.ToArray());
    }

    private static void ReplaceDigests(IDocumentOperations operations, string podUid, IReadOnlyList<PodImage> images)
    {
        operations.QueueSqlCommand(RunningDigests.RemoveSql, podUid);
        if (RunningDigests.Of(images) is ({ Length: > 0 } references, var digests))
            operations.QueueSqlCommand(RunningDigests.InsertSql, references, podUid, digests);
    }
}
