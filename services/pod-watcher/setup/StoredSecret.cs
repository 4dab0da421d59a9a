namespace Kuik.PodWatcher.Setup;

/// <summary>A Secret as it was read.</summary>
/// <param name="Version">Its resourceVersion; null: it does not exist.</param>
/// <param name="Data">By key, decoded; empty for none.</param>
internal sealed record StoredSecret(string? Version, IReadOnlyDictionary<string, string> Data);
