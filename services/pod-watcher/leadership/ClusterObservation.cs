namespace Kuik.PodWatcher;

/// <summary>
/// The completeness of this replica's observation: it leads, the cluster is the event log's own, its pods, followed workloads and
/// ServiceAccounts are listed, and everything listed is recorded. Otherwise it makes no decision that removes an image. Injected as a
/// singleton.
/// </summary>
internal sealed class ClusterObservation(TimeProvider time)
{
    /// <summary>
    /// An observation older than this is not current. A watch without changes delivers a bookmark about once a minute, or ends
    /// after five minutes.
    /// </summary>
    public static readonly TimeSpan LongestAge = TimeSpan.FromMinutes(6);

    private volatile IReadOnlyList<IUserObserver> _observers = [];
    private volatile string _problem = NotLeading;

    private const string NotLeading = "this replica does not lead";

    /// <summary>The age of the last complete and recorded observation; null while this replica observes nothing.</summary>
    public TimeSpan? Age => CompleteAt is { } at ? time.GetUtcNow() - at : null;

    /// <summary>True when an image without recorded users may be taken to be unused. Valid for one batch of decisions only.</summary>
    /// <param name="why">Why not, in one phrase; empty when it is true.</param>
    public bool IsCurrent(out string why)
    {
        var observers = _observers;
        why = observers.Count == 0 ? _problem
            : observers.Select(observer => observer.Incomplete).FirstOrDefault(problem => problem is not null) ?? TooOld(CompleteAt);
        return why.Length == 0;
    }

    /// <summary>Starts an observation: this replica leads, and the cluster is the log's own.</summary>
    /// <param name="observers">Those of pods and of each followed kind of workload.</param>
    public void Begin(params IReadOnlyList<IUserObserver> observers) => _observers = observers;

    /// <summary>Suspends the observation: this replica leads and cannot observe.</summary>
    /// <param name="problem">The cause, in one phrase.</param>
    public void Suspend(string problem) => (_problem, _observers) = (problem, []);

    /// <summary>Ends the observation: this replica does not lead any more.</summary>
    public void End() => Suspend(NotLeading);

    // The earliest one: an object that one observer has not seen may use any image.
    private DateTimeOffset? CompleteAt
    {
        get
        {
            var all = _observers.Select(observer => observer.CompleteAt).ToList();
            return all.Contains(null) ? null : all.Min();
        }
    }

    private string TooOld(DateTimeOffset? at) =>
        at is null ? "the cluster has not been observed yet"
        : time.GetUtcNow() - at is var age && age > LongestAge ? $"the last complete observation is {(int)age.Value.TotalSeconds} s old"
        : "";
}
