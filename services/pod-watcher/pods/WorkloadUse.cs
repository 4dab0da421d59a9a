using System.Globalization;
using Kuik.Contracts;
using Kuik.EventLog;

namespace Kuik.PodWatcher;

/// <summary>Decides the events of workloads. A pod template keeps images and does not request copies of them
/// (docs/decisions/0021).</summary>
internal static class WorkloadUse
{
    /// <summary>The event that makes the log agree with a workload that exists; null when it agrees.</summary>
    /// <param name="log">The recorded state. If it is gone, the caller needs better evidence of its existence than
    /// <paramref name="live"/>.</param>
    /// <param name="live">The current workload.</param>
    /// <param name="pullSecrets">Those of the template and of its ServiceAccount.</param>
    /// <param name="now">UTC.</param>
    public static WorkloadObserved? Decide(UserState log, LiveUser live, IReadOnlyList<string> pullSecrets, DateTimeOffset now)
    {
        if (!log.IsOutdatedBy(live, pullSecrets))
            return null;
        return new WorkloadObserved(
            UserKey.UidOf(live.Uid), UserKey.KindOf(live.Uid)!, live.Namespace, live.Name, live.Images, pullSecrets, now)
        {
            OwnerKind = live.OwnerKind,
            OwnerName = live.OwnerName,
            ServiceAccount = live.AccountName,
            CreatedAt = live.CreatedAt,
            ResourceVersion = live.Version?.ToString(CultureInfo.InvariantCulture),
        };
    }

    /// <summary>The event that ends a workload's use; null when it is recorded as gone, was never recorded, or was recorded in a later
    /// state.</summary>
    /// <param name="log">The recorded state.</param>
    /// <param name="key">The workload's user key.</param>
    /// <param name="absence">The evidence that it is gone.</param>
    /// <param name="now">UTC.</param>
    public static WorkloadGone? DecideGone(UserState log, string key, UserAbsence absence, DateTimeOffset now) =>
        log.IsEndedBy(absence)
            ? new WorkloadGone(UserKey.UidOf(key), UserKey.KindOf(key)!, log.Namespace, log.Name, log.Images, now)
            {
                Reason = absence.Reason,
                DeletedAt = absence.Last?.DeletedAt,
            }
            : null;

    /// <summary>The event to append to the stream of a template's image; null when the image is in use, or not requested: then a pod, a
    /// person or a pull has to request it first.</summary>
    /// <param name="log">The recorded state of the image.</param>
    /// <param name="key">The workload's user key.</param>
    /// <param name="now">UTC.</param>
    public static ImageUsedAgain? DecideImage(ImageState log, string key, DateTimeOffset now) =>
        log.CanExpire || log.ExpiresAt is not null
            ? new ImageUsedAgain(log.Image, UserKey.UidOf(key), now) { WorkloadKind = UserKey.KindOf(key) }
            : null;
}
