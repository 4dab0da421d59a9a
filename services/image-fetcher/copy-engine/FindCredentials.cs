using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Finds the credentials for the origin of an image, in the order in which to try them; an empty list for anonymous access only.
/// </summary>
/// <param name="image">The image by its tag; or by a digest: its own, or that of one of its manifests or blobs.</param>
/// <param name="ct">Cancels the search.</param>
public delegate Task<IReadOnlyList<RegistryCredential>> FindCredentials(ImageReference image, CancellationToken ct);
