namespace Kuik.EventLog;

/// <summary>A secret with possible credentials for a registry.</summary>
/// <param name="Namespace">The secret's namespace.</param>
/// <param name="Name">The secret's name.</param>
public sealed record PullSecret(string Namespace, string Name);
