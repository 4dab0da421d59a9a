namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The use of a spool.</summary>
/// <param name="Used">Bytes of room taken.</param>
/// <param name="Limit">In bytes.</param>
/// <param name="Blobs">The number of all blobs.</param>
/// <param name="FullFor">How long no blob could grow; null when the last one could.</param>
internal sealed record SpoolUse(long Used, long Limit, int Blobs, TimeSpan? FullFor);
