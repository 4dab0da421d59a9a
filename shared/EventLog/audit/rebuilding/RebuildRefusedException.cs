namespace Kuik.EventLog.Audit;

/// <summary>The projections cannot be rebuilt now: nothing was changed. The message is one sentence.</summary>
public sealed class RebuildRefusedException(string message) : Exception(message);
