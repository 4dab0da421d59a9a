namespace Kuik.EventLog.Audit;

/// <summary>Answers questions about the log: from Postgres, or through the audit API.</summary>
public interface IAuditAnswers
{
    /// <summary>The images.</summary>
    Task<ImageList> ListImages(ImageQuestion question, CancellationToken ct);

    /// <summary>The events of an image, pod or workload.</summary>
    /// <exception cref="OutsideNamespaceException">The question is about a namespace, which does not use the image.</exception>
    Task<EventHistory> ReadHistory(HistoryQuestion question, CancellationToken ct);

    /// <summary>The reasons for an image's state.</summary>
    /// <inheritdoc cref="ReadHistory"/>
    Task<ImageExplanation> Explain(UseQuestion question, CancellationToken ct);

    /// <summary>The users of an image.</summary>
    Task<UserList> FindUsers(UseQuestion question, CancellationToken ct);

    /// <summary>The uses of images within a time.</summary>
    /// <exception cref="AnswerTooLongException">There are more than the question takes.</exception>
    Task<UseList> FindUses(UseHistoryQuestion question, CancellationToken ct);

    /// <summary>The events of a part of the log; from its beginning when the question names no other place.</summary>
    Task<EventList> ListEvents(EventQuestion question, CancellationToken ct);

    /// <summary>The state of everything.</summary>
    /// <param name="until">The place; null for the end of the log.</param>
    /// <param name="ct">Cancels it.</param>
    Task<StateAnswer> Replay(Instant? until, CancellationToken ct);

    /// <summary>The differences between two places, in either order.</summary>
    Task<DifferenceList> Compare(Instant from, Instant to, CancellationToken ct);

    /// <summary>The events, and those that are recorded later, until it is cancelled.</summary>
    IAsyncEnumerable<EventLine> Follow(EventQuestion question, CancellationToken ct);
}
