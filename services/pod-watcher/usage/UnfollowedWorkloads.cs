using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>
/// Ends the recorded uses by workloads of kinds that are not followed any more (<see cref="WatcherOptions.FollowedWorkloads"/>). It checks
/// periodically, because a previous leader with another setting may record one late.
/// </summary>
internal sealed class UnfollowedWorkloads(WatcherOptions options, UsageCache known, UserAbsences absences, WorkQueue queue,
    TimeProvider time)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    /// <summary>Queues them until cancelled.</summary>
    public async Task Run(CancellationToken ct)
    {
        var kinds = WatcherOptions.WorkloadKinds.Except(options.FollowedWorkloads).ToList();
        while (true)
        {
            foreach (var key in kinds.SelectMany(known.Uids))
            {
                absences.Add(key, new UserAbsence(UserAbsence.NotFollowed, null, null));
                queue.Add(key, isUrgent: false);
            }
            await Task.Delay(Interval, time, ct);
        }
    }
}
