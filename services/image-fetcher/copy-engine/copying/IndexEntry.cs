namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>An entry of an index.</summary>
/// <param name="Digest">The manifest's digest.</param>
/// <param name="SizeInBytes">The size stated by the index.</param>
/// <param name="Platform">Null if the index states none, and for attestations (unknown/unknown).</param>
/// <param name="MayBeAny">True for an image without a platform in the index: only its config states it, where runtimes look for it.</param>
internal sealed record IndexEntry(string Digest, long SizeInBytes, Platform? Platform, bool MayBeAny);
