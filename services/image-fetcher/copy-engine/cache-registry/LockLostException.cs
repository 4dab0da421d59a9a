namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>A lock was lost before the step that it protects; another replica may hold it now.</summary>
/// <param name="message">The lock and the cause.</param>
/// <param name="inner">The error of its connection; null when there was none.</param>
public sealed class LockLostException(string message, Exception? inner = null) : Exception(message, inner);
