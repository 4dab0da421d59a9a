namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The factory of <see cref="CacheWriter"/>.</summary>
internal sealed class CacheWriters(CopyEngineHooks needs)
{
    /// <summary>A writer that holds nothing yet.</summary>
    public CacheWriter For(string repository) => new(needs.LockRepository, needs.ShareCache, repository);
}
