namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>A replica of image-fetcher.</summary>
/// <param name="Address">Where it listens.</param>
/// <param name="Name">The name by which it is ranked: its <c>Kuik:Fetcher:Name</c>, which survives a restart; its host and
/// port until that is known.</param>
internal sealed record Replica(Uri Address, string Name);
