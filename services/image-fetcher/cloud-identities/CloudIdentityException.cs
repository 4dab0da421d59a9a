namespace Kuik.ImageFetcher;

/// <summary>A failed request to a cloud. The message says what was attempted, on what, and what came back, and holds no token.</summary>
public sealed class CloudIdentityException(string message, Exception? inner = null) : Exception(message, inner);
