namespace Kuik.PodWatcher;

/// <summary>The consequences of <c>Kuik:CacheLimit</c>.</summary>
/// <param name="SizeInBytes">The size that counts against the limit.</param>
/// <param name="Leaving">The images that have to leave, least recently used first. Only candidates: <see cref="ImageExpiryService"/>
/// decides.</param>
/// <param name="ExcessInBytes">By how much the limit is exceeded when all of them have left; 0 when it is met.</param>
internal sealed record CacheLimitResult(long SizeInBytes, IReadOnlyList<string> Leaving, long ExcessInBytes);
