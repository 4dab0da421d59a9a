namespace Kuik.Kubernetes;

/// <summary>The metadata of a page of a list.</summary>
/// <param name="ResourceVersion">The version of the whole list.</param>
/// <param name="Continue">The token of the next page; null or empty on the last one.</param>
public sealed record ListMeta(string ResourceVersion, string? Continue);
