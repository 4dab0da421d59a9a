namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>A config or layer that a manifest lists.</summary>
/// <param name="Digest">The blob's digest.</param>
/// <param name="SizeInBytes">The size stated by the manifest.</param>
/// <param name="IsForeign">True for a non-distributable layer: it is not in the registry but at addresses of its own.</param>
internal sealed record Part(string Digest, long SizeInBytes, bool IsForeign);
