namespace Kuik.EventLog.Audit;

/// <summary>Events cannot be imported: the log is not empty, or they are not a whole log.</summary>
public sealed class EventImportRefusedException(string message) : Exception(message);
