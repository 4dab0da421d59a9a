namespace Kuik.ImageFetcher;

/// <summary>An image that the log says is cached.</summary>
/// <param name="Name">The normalised reference.</param>
/// <param name="Attempt">The claim that copied it.</param>
public sealed record CachedClaim(string Name, long Attempt);
