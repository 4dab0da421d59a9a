using System.Globalization;
using Kuik.Contracts;
using Kuik.EventLog;

namespace Kuik.PodWatcher;

/// <summary>Decides what is recorded of a workload. Its template keeps images; it does not request copies of them (docs/decisions/0021).</summary>
internal static class WorkloadUse
{
    /// <summary>The event that makes the log agree with a workload that exists; null when it agrees.</summary>
    /// <param name="log">What the log says. A workload that it says is gone has to be known to exist by more than <paramref
    /// name="live"/>.</param>
    /// <param name="live">The workload as it is.</param>
    /// <param name="pullSecrets">Its template's own and its ServiceAccount's.</param>
    /// <param name="now">UTC.</param>
    public static WorkloadObserved? Decide(PodUseState log, LivePod live, IReadOnlyList<string> pullSecrets, DateTimeOffset now)
    {
        var isUnknown = !log.IsObserved || log.IsGone;
        if ((isUnknown && live.Images.Count == 0) || live.Version < log.Version || log.Says(live, pullSecrets))
            return null;
        return new WorkloadObserved(
            UserKey.UidOf(live.Uid), UserKey.KindOf(live.Uid)!, live.Namespace, live.Name, live.Images, pullSecrets, now)
        {
            OwnerKind = live.OwnerKind,
            OwnerName = live.OwnerName,
            ServiceAccount = live.Account[(live.Account.IndexOf('/', StringComparison.Ordinal) + 1)..],
            CreatedAt = live.CreatedAt,
            ResourceVersion = live.Version?.ToString(CultureInfo.InvariantCulture),
        };
    }

    /// <summary>The event that ends a workload's use; null when the log says so, never knew it, or has seen a later state of it.</summary>
    /// <param name="log">What the log says.</param>
    /// <param name="key">The workload's user key.</param>
    /// <param name="absence">Why it is taken to be gone.</param>
    /// <param name="now">UTC.</param>
    public static WorkloadGone? DecideGone(PodUseState log, string key, PodAbsence absence, DateTimeOffset now) =>
        log is { IsObserved: true, IsGone: false } && !(absence.Version < log.Version)
            ? new WorkloadGone(UserKey.UidOf(key), UserKey.KindOf(key)!, log.Namespace, log.Name, log.Images, now)
            {
                Reason = absence.Reason,
                DeletedAt = absence.Last?.DeletedAt,
            }
            : null;

    /// <summary>The event on the stream of an image that a template names; null when it is in use already, or not wanted: then a pod, a
    /// person or a pull has to request it first.</summary>
    /// <param name="log">What the log says of the image.</param>
    /// <param name="key">The workload's user key.</param>
    /// <param name="now">UTC.</param>
    public static ImageUsedAgain? DecideImage(ImageState log, string key, DateTimeOffset now) =>
        log.CanExpire || log.ExpiresAt is not null
            ? new ImageUsedAgain(log.Image, UserKey.UidOf(key), now) { WorkloadKind = UserKey.KindOf(key) }
            : null;
}
