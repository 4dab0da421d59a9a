using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Audit;

/// <summary>
/// An event of the log as a CloudEvent (specification 1.0, JSON format). The extension attributes hold what an import needs to make the
/// same row again.
/// </summary>
internal sealed record CloudEvent
{
    /// <summary>Before an event's name in <see cref="Type"/>.</summary>
    private const string TypePrefix = "kuik.enix.io.";

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = new LowerCase(),
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public string SpecVersion { get; init; } = "1.0";

    public required Guid Id { get; init; }

    /// <summary><c>/kuik/</c> and the service that wrote it.</summary>
    public required string Source { get; init; }

    public required string Type { get; init; }

    /// <summary>The stream's key.</summary>
    public required string Subject { get; init; }

    /// <summary>When it was recorded; microseconds.</summary>
    public required DateTimeOffset Time { get; init; }

    public string DataContentType { get; init; } = "application/json";

    /// <summary>The place in the log. Text, because a CloudEvent's numbers have 32 bits.</summary>
    public required string Sequence { get; init; }

    /// <summary>The place in the stream.</summary>
    public required long StreamVersion { get; init; }

    /// <summary>True when the stream is archived; absent otherwise.</summary>
    public bool? Archived { get; init; }

    public string? RuntimeType { get; init; }

    public string? CorrelationId { get; init; }

    public string? CausationId { get; init; }

    /// <summary>W3C trace context, as the CloudEvents extension for distributed tracing names it.</summary>
    public string? TraceParent { get; init; }

    /// <summary>All headers as JSON text: an extension attribute cannot be an object.</summary>
    public string? Headers { get; init; }

    /// <summary>Of the first event of an export: the place before which the log was not whole. Absent otherwise.</summary>
    public string? Horizon { get; init; }

    /// <summary>The time of that place.</summary>
    public DateTimeOffset? HorizonTime { get; init; }

    public required JsonElement Data { get; init; }

    /// <summary>The event's name.</summary>
    [JsonIgnore]
    public string Name => Type.StartsWith(TypePrefix, StringComparison.Ordinal) ? Type[TypePrefix.Length..] : Type;

    /// <summary>The sequence number.</summary>
    /// <exception cref="FormatException">It is no number.</exception>
    [JsonIgnore]
    public long Position => long.Parse(Sequence, NumberStyles.None, CultureInfo.InvariantCulture);

    /// <summary>The CloudEvent of an event.</summary>
    public static CloudEvent Of(RecordedEvent one) => new()
    {
        Id = one.Id,
        Source = $"/kuik/{one.Header("service") ?? "unknown"}",
        Type = TypePrefix + one.Type,
        Subject = one.Stream,
        Time = one.RecordedAt.ToUniversalTime(),
        Sequence = one.Sequence.ToString(CultureInfo.InvariantCulture),
        StreamVersion = one.Version,
        Archived = one.IsArchived ? true : null,
        RuntimeType = one.RuntimeType,
        CorrelationId = one.CorrelationId,
        CausationId = one.CausationId,
        TraceParent = one.Header("traceparent"),
        Headers = one.Headers,
        Horizon = one.Horizon?.Sequence.ToString(CultureInfo.InvariantCulture),
        HorizonTime = one.Horizon?.RecordedAt?.ToUniversalTime(),
        Data = JsonSerializer.Deserialize<JsonElement>(one.Data),
    };

    /// <summary>One line of JSON.</summary>
    public string AsLine() => JsonSerializer.Serialize(this, Json);

    /// <summary>Reads a line.</summary>
    /// <exception cref="JsonException">It is no CloudEvent of an event log.</exception>
    public static CloudEvent Parse(string line) =>
        JsonSerializer.Deserialize<CloudEvent>(line, Json) is { SpecVersion: "1.0" } read
            ? read
            : throw new JsonException("it is no CloudEvent of version 1.0");

    /// <summary>The event that it was.</summary>
    /// <exception cref="FormatException">Its sequence number is none.</exception>
    public RecordedEvent AsRecorded()
    {
        var data = Data.GetRawText();
        var (fact, problem) = FactReader.Read(Name, data);
        return AsRecorded(data) with { Fact = fact, Problem = problem };
    }

    private RecordedEvent AsRecorded(string data) => new(Position, Id, Subject, StreamVersion, Name, Time, data)
    {
        IsArchived = Archived == true,
        Headers = Headers,
        CausationId = CausationId,
        CorrelationId = CorrelationId,
        RuntimeType = RuntimeType,
        Horizon = Horizon is null
            ? null
            : LogHorizon.None with
            {
                Sequence = long.Parse(Horizon, NumberStyles.None, CultureInfo.InvariantCulture),
                RecordedAt = HorizonTime,
            },
    };

    // Attribute names of CloudEvents are lower case without separators.
    private sealed class LowerCase : JsonNamingPolicy
    {
        public override string ConvertName(string name) => name.ToLowerInvariant();
    }
}
