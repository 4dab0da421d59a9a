namespace Kuik.PodWatcher;

/// <summary>What an observer of the cluster's pods, or of its workloads of one kind, says of itself.</summary>
internal interface IPodObserver
{
    /// <summary>Why not all of them are recorded; null when each of the last complete list, and each change since, is.</summary>
    string? Incomplete { get; }

    /// <summary>UTC: the state of the cluster up to this moment is recorded; null while none is.</summary>
    DateTimeOffset? CompleteAt { get; }
}

/// <summary>
/// Whether this replica knows what runs in the cluster: it leads, the cluster is the event log's own, its pods, followed
/// workloads and ServiceAccounts are listed, and everything listed is recorded. A replica of which this is not true decides nothing that
/// removes an image. Injected as a singleton.
/// </summary>
internal sealed class ClusterObservation(TimeProvider time)
{
    /// <summary>
    /// An observation older than this is not current. A watch in which nothing happens brings a bookmark about once a minute, or ends
    /// after five.
    /// </summary>
    public static readonly TimeSpan LongestAge = TimeSpan.FromMinutes(6);

    private volatile IReadOnlyList<IPodObserver> _observers = [];
    private volatile string _problem = NotLeading;

    private const string NotLeading = "this replica does not lead";

    /// <summary>How long ago the state of the cluster was last known and recorded completely; null while this replica observes
    /// nothing.</summary>
    public TimeSpan? Age => CompleteAt is { } at ? time.GetUtcNow() - at : null;

    /// <summary>May something be concluded from what is not recorded as used? Ask again right before each batch of decisions.</summary>
    /// <param name="why">Why not, in one phrase; empty when it may.</param>
    public bool IsCurrent(out string why)
    {
        var observers = _observers;
        why = observers.Count == 0 ? _problem
            : observers.Select(observer => observer.Incomplete).FirstOrDefault(problem => problem is not null) ?? TooOld(CompleteAt);
        return why.Length == 0;
    }

    /// <summary>This replica leads and the cluster has been checked to be the log's own: what uses images is observed from now on.</summary>
    /// <param name="observers">All of them, of pods and of each kind of workload that is followed.</param>
    public void Begin(params IReadOnlyList<IPodObserver> observers) => _observers = observers;

    /// <summary>This replica leads and cannot observe.</summary>
    /// <param name="problem">Why, in one phrase.</param>
    public void Suspend(string problem) => (_problem, _observers) = (problem, []);

    /// <summary>This replica does not lead any more.</summary>
    public void End() => Suspend(NotLeading);

    // The earliest: what one of them has not seen may use any image.
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
