using Kuik.Contracts;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>Records that the copy of a pulled image has ended.</summary>
/// <param name="image">The reference of the pull: by tag or by digest.</param>
/// <param name="copy">The copy that the cache has under it.</param>
/// <param name="ct">Cancels it.</param>
public delegate Task NoteCopy(ImageReference image, CopiedImage copy, CancellationToken ct);
