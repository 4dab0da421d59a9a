namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The result of a copy: the cache registry can serve this image.</summary>
/// <param name="Digest">Digest of the manifest or index, as the origin serves it.</param>
/// <param name="MediaType">The origin's media type for it.</param>
/// <param name="Platforms">The stored platforms of an index, as <c>os[(version)]/arch[/variant]</c>; empty for a single manifest.</param>
/// <param name="MissingPlatforms">Configured platforms that the index does not list.</param>
/// <param name="SizeInBytes">Stored manifests, configs and compressed layers.</param>
/// <param name="BytesCopied">Blob bytes downloaded from the origin for this copy.</param>
/// <param name="BytesAlreadyThere">Blob bytes that the cache had before.</param>
/// <param name="Duration">How long it took.</param>
public sealed record CopiedImage(
    string Digest, string MediaType, IReadOnlyList<string> Platforms, IReadOnlyList<string> MissingPlatforms,
    long SizeInBytes, long BytesCopied, long BytesAlreadyThere, TimeSpan Duration);
