namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>A lock was lost before the step that it protects, so that another replica may hold it now.</summary>
/// <param name="message">Which lock, and why.</param>
/// <param name="inner">What its connection said; null when there was none.</param>
public sealed class LockLostException(string message, Exception? inner = null) : Exception(message, inner);
