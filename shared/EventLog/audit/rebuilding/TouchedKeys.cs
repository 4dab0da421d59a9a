namespace Kuik.EventLog.Audit;

/// <summary>Keys of rows in projections.</summary>
internal sealed class TouchedKeys
{
    /// <summary>User keys (<see cref="UserKey"/>).</summary>
    public HashSet<string> Users { get; } = [];

    /// <summary>Normalised references.</summary>
    public HashSet<string> Images { get; } = [];

    /// <summary>Repositories with their hosts.</summary>
    public HashSet<string> Repositories { get; } = [];
}
