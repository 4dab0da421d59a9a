namespace Kuik.EventLog.Audit;

/// <summary>Uses of images.</summary>
/// <param name="Uses">By their beginning.</param>
public sealed record UseList(IReadOnlyList<ImageUse> Uses)
{
    /// <summary>The place up to which ended streams were removed from the log, for a sentence; null when nothing was that was asked
    /// for.</summary>
    public string? Horizon { get; init; }
}
