namespace Kuik.PodWatcher;

/// <summary>The state of leader election.</summary>
internal interface ILeader
{
    /// <summary>True while this replica leads.</summary>
    bool IsLeading { get; }
}
