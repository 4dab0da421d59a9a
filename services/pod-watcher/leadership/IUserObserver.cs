namespace Kuik.PodWatcher;

/// <summary>The state of an observer of the cluster's pods, or of its workloads of one kind.</summary>
internal interface IUserObserver
{
    /// <summary>Why the record is incomplete; null when the last complete list and each change since are recorded.</summary>
    string? Incomplete { get; }

    /// <summary>UTC: the time up to which the state of the cluster is recorded; null while none is.</summary>
    DateTimeOffset? CompleteAt { get; }
}
