namespace Kuik.PodWatcher;

/// <summary>What an observer of the cluster's pods says of itself.</summary>
internal interface IPodObserver
{
    /// <summary>Why the pods of the cluster are not all recorded; null when each pod of the last complete list, and each change since,
    /// is.</summary>
    string? Incomplete { get; }

    /// <summary>UTC: the state of the cluster up to this moment is recorded; null while none is.</summary>
    DateTimeOffset? CompleteAt { get; }
}

/// <summary>
/// Whether this replica knows what runs in the cluster: it leads, the cluster is the event log's own, its pods and ServiceAccounts are
/// listed, and everything listed is
/// recorded. A replica of which this is not true decides nothing that removes an image. Injected as a singleton.
/// </summary>
internal sealed class ClusterObservation(TimeProvider time)
{
    /// <summary>
    /// An observation older than this is not current. A watch in which nothing happens brings a bookmark about once a minute, or ends
    /// after five.
    /// </summary>
    public static readonly TimeSpan LongestAge = TimeSpan.FromMinutes(6);

    private volatile IPodObserver? _observer;
    private volatile string _problem = NotLeading;

    private const string NotLeading = "this replica does not lead";

    /// <summary>How long ago the state of the cluster was last known and recorded completely; null while this replica observes
    /// nothing.</summary>
    public TimeSpan? Age => _observer?.CompleteAt is { } at ? time.GetUtcNow() - at : null;

    /// <summary>May something be concluded from what is not recorded as used? Ask again right before each batch of decisions.</summary>
    /// <param name="why">Why not, in one phrase; empty when it may.</param>
    public bool IsCurrent(out string why)
    {
        var observer = _observer;
        why = observer is null ? _problem : observer.Incomplete ?? TooOld(observer.CompleteAt);
        return why.Length == 0;
    }

    /// <summary>This replica leads and the cluster has been checked to be the log's own: its pods are observed from now on.</summary>
    public void Begin(IPodObserver observer) => _observer = observer;

    /// <summary>This replica leads and cannot observe.</summary>
    /// <param name="problem">Why, in one phrase.</param>
    public void Suspend(string problem) => (_problem, _observer) = (problem, null);

    /// <summary>This replica does not lead any more.</summary>
    public void End() => Suspend(NotLeading);

    private string TooOld(DateTimeOffset? at) =>
        at is null ? "the cluster has not been observed yet"
        : time.GetUtcNow() - at is var age && age > LongestAge ? $"the last complete observation is {(int)age.Value.TotalSeconds} s old"
        : "";
}
