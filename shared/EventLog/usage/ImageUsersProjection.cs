using JasperFx.Events;
using Kuik.Contracts;
using Marten;
using Marten.Events.Projections;

namespace Kuik.EventLog;

/// <summary>Keeps the usage table with the pods' events, in the transaction that appends them, whichever service does. See <see cref="ImageUsers"/>.</summary>
public sealed class ImageUsersProjection : EventProjection
{
    /// <summary>The projection's name in the log.</summary>
    public const string ProjectionName = "image-users";

    /// <summary>Of all services alike.</summary>
    public ImageUsersProjection()
    {
        Name = ProjectionName;
        IncludeType<PodObserved>();
        IncludeType<PodGone>();
    }

    /// <inheritdoc/>
    public override ValueTask ApplyAsync(IDocumentOperations operations, IEvent e, CancellationToken cancellation)
    {
        switch (e.Data)
        {
            case PodObserved pod:
                operations.QueueSqlCommand(ImageUsers.RemoveSql('?'), pod.PodUid);
                if (ImageUsers.ImagesOf(pod) is { Length: > 0 } images)
                    operations.QueueSqlCommand(ImageUsers.InsertSql('?'), images, pod.PodUid, pod.Namespace, pod.Name, pod.PullSecrets.ToArray());
                break;
            case PodGone pod:
                operations.QueueSqlCommand(ImageUsers.RemoveSql('?'), pod.PodUid);
                break;
        }
        return ValueTask.CompletedTask;
    }
}
