namespace Kuik.EventLog.Audit;

/// <summary>The answer would be longer than the question's limit. The message is one sentence for a person.</summary>
public sealed class AnswerTooLongException(string message) : Exception(message);
