namespace Kuik.Oci;

/// <summary>The pulls of one image.</summary>
/// <param name="Image">The normalised reference, by tag or by digest.</param>
/// <param name="Count">How many; at least 1.</param>
/// <param name="LastAt">UTC, by the node's clock.</param>
public sealed record CountedPulls(string Image, long Count, DateTimeOffset LastAt)
{
    /// <summary>How many of them were answered from the cache or from memory; null in reports of earlier versions.</summary>
    public long? Hits { get; init; }
}
