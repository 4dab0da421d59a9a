namespace Kuik.ImageFetcher;

/// <summary>The relevant fields of a Secret.</summary>
/// <param name="Type">For example <c>kubernetes.io/dockerconfigjson</c>.</param>
/// <param name="Data">Decoded; null for none.</param>
public sealed record SecretContent(string? Type, Dictionary<string, byte[]>? Data);
