namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The cache registry can serve this image.</summary>
/// <param name="Digest">Of the manifest or index, as the origin serves it.</param>
/// <param name="MediaType">The origin's media type for it.</param>
/// <param name="Platforms">What is stored of an index, as <c>os[(version)]/arch[/variant]</c>; empty for a single manifest.</param>
/// <param name="MissingPlatforms">Platforms that are configured and that the index does not name.</param>
/// <param name="SizeInBytes">Manifests, configurations and compressed layers of what is stored.</param>
/// <param name="BytesCopied">Blob bytes that came from the origin for this copy.</param>
/// <param name="BytesAlreadyThere">Blob bytes that the cache had before.</param>
/// <param name="Duration">How long it took.</param>
public sealed record CopiedImage(
    string Digest, string MediaType, IReadOnlyList<string> Platforms, IReadOnlyList<string> MissingPlatforms,
    long SizeInBytes, long BytesCopied, long BytesAlreadyThere, TimeSpan Duration);
