namespace Kuik.PodWatcher;

/// <summary>An image in the cache, as the log says.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="Digest">Of its last copy.</param>
/// <param name="SizeInBytes">The recorded size of that copy: manifests, configurations and compressed layers.</param>
/// <param name="UnusedSince">UTC; null while it is used, retained, or not recorded as unused yet.</param>
internal sealed record CachedSize(string Image, string Digest, long SizeInBytes, DateTimeOffset? UnusedSince);
