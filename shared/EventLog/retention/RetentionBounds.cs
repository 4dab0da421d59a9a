namespace Kuik.EventLog;

/// <summary>The places up to which events may be removed.</summary>
/// <param name="BeforeLast">The last event of the log stays.</param>
/// <param name="Projected">The relay and all projections are past it.</param>
/// <param name="Chained">The head of the hash chain; 0 for none.</param>
/// <param name="IsPaused">A rebuild, or a person, has paused the removal.</param>
internal sealed record RetentionBounds(long BeforeLast, long Projected, long Chained, bool IsPaused)
{
    /// <summary>There is a hash chain: what is removed leaves its content's hash.</summary>
    public bool IsChained => Chained > 0;

    /// <summary>The lowest place, and what it is the place of.</summary>
    /// <param name="options">The policy.</param>
    /// <param name="exported">The place up to which exports are confirmed.</param>
    public (long Place, string? Reason) Lowest(LogRetentionOptions options, long exported)
    {
        var bounds = new List<(long Place, string? Reason)> { (BeforeLast, null), (Projected, "projections") };
        if (options.ExportFirst)
            bounds.Add((exported, "export"));
        if (options.IsChained)
            bounds.Add((Chained, "chain"));
        return bounds.MinBy(bound => bound.Place);
    }
}
