namespace Kuik.Kubernetes;

/// <summary>One page of a list.</summary>
public sealed record ResourceList<TResource>(ListMeta Metadata, IReadOnlyList<TResource>? Items);
