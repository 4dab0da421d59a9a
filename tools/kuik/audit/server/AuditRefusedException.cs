namespace Kuik.CommandLine.Audit;

/// <summary>The audit API, or the way to it, has refused. The message is the one line that is printed.</summary>
/// <param name="message">With the status and the sentence of the answer.</param>
/// <param name="isTransient">True when another attempt may succeed: it is busy, restarts, or cannot ask Kubernetes or Postgres.</param>
internal sealed class AuditRefusedException(string message, bool isTransient) : Exception(message)
{
    /// <summary>True when another attempt may succeed.</summary>
    public bool IsTransient { get; } = isTransient;
}
