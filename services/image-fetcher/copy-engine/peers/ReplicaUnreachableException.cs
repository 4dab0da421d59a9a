namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>Another replica did not answer, or was gone or stopping before it answered.</summary>
internal sealed class ReplicaUnreachableException(string message, Exception? inner = null) : Exception(message, inner);
