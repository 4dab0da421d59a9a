namespace Kuik.PodWatcher;

/// <summary>The pull secrets of a ServiceAccount, which its pods use too.</summary>
internal sealed record AccountSecrets(IReadOnlyList<string> Names);
