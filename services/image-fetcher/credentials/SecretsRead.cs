namespace Kuik.ImageFetcher;

/// <summary>The contents of pull secrets.</summary>
/// <param name="Entries">Secret by secret.</param>
/// <param name="Problems">A sentence for each secret that is missing or could not be read, and for each invalid entry; each names the
/// secret and nothing of its content.</param>
public sealed record SecretsRead(IReadOnlyList<PullSecretEntry> Entries, IReadOnlyList<string> Problems);
