namespace Kuik.PodWatcher;

/// <summary>An assigned object name. Assignments are permanent: an image that is cached again has the same name.</summary>
/// <param name="Id">The name of a CachedImage.</param>
/// <param name="Image">The image that has it.</param>
public sealed record TakenName(string Id, string Image);
