namespace Kuik.EventLog.Audit;

/// <summary>The subject has nothing to do with the namespace that the question is about. The message is one sentence.</summary>
public sealed class OutsideNamespaceException(string message) : Exception(message);
