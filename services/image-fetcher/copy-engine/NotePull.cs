using Kuik.Contracts;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>Records that an image was pulled through by its tag or its root digest.</summary>
/// <param name="image">The reference of the pull: by tag or by digest.</param>
/// <param name="ct">Cancels it.</param>
public delegate Task NotePull(ImageReference image, CancellationToken ct);
