using System.Text.Json;

namespace Kuik.EventLog.Audit;

/// <summary>An event as the log holds it, whichever version wrote it.</summary>
/// <param name="Sequence">Its place in the whole log, from 1; numbers may be missing between two events.</param>
/// <param name="Id">The event's id, which is also that of its message on the bus.</param>
/// <param name="Stream">The stream's key, for example <c>image/docker.io/library/nginx:1.27</c>.</param>
/// <param name="Version">Its place in the stream, from 1.</param>
/// <param name="Type">The event's name, for example <c>ImageCached</c>.</param>
/// <param name="RecordedAt">UTC: the start of the transaction that appended it, by the database's clock.</param>
/// <param name="Data">The event as JSON.</param>
public sealed record RecordedEvent(
    long Sequence, Guid Id, string Stream, long Version, string Type, DateTimeOffset RecordedAt, string Data)
{
    /// <summary>The event as a record of Kuik.Contracts; null when this version does not know its type or cannot read it.</summary>
    public object? Fact { get; init; }

    /// <summary>Why <see cref="Fact"/> is null; null otherwise.</summary>
    public string? Problem { get; init; }

    /// <summary>Its stream is archived: the pod or workload ended long ago.</summary>
    public bool IsArchived { get; init; }

    /// <summary>Headers as a JSON object: <c>service</c>, <c>replica</c>, <c>version</c>, <c>traceparent</c>; null for none.</summary>
    public string? Headers { get; init; }

    /// <summary>The id of the message that caused it; null where none did.</summary>
    public string? CausationId { get; init; }

    /// <summary>The correlation id that Marten recorded; null for none.</summary>
    public string? CorrelationId { get; init; }

    /// <summary>The name of the .NET type that wrote it, as Marten recorded it.</summary>
    public string? RuntimeType { get; init; }

    /// <summary>Of the first event of an export: the place before which the exported log was not whole. Null for all others.</summary>
    public LogHorizon? Horizon { get; init; }

    /// <summary>The value of a header; null when it has none.</summary>
    public string? Header(string name)
    {
        if (Headers is null)
            return null;
        using var headers = JsonDocument.Parse(Headers);
        return headers.RootElement.ValueKind == JsonValueKind.Object && headers.RootElement.TryGetProperty(name, out var value)
            ? value.ToString()
            : null;
    }
}
