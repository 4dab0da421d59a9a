namespace Kuik.PodWatcher;

/// <summary>Whether this replica is the one that leads.</summary>
internal interface ILeader
{
    /// <summary>True while it does.</summary>
    bool IsLeading { get; }
}
