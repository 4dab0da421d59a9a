using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Kuik.Contracts;

namespace Kuik.EventLog.Audit;

/// <summary>One event for people: what happened, why, and by whose action.</summary>
/// <param name="Sequence">Its place in the log.</param>
/// <param name="Time">UTC: when it was recorded.</param>
/// <param name="Stream">The stream's key.</param>
/// <param name="Event">The event's name.</param>
/// <param name="What">The fact, in a few words.</param>
/// <param name="Why">Its reason or circumstances; empty for none.</param>
/// <param name="Actor">A person's field manager, a replica, or the service that wrote it.</param>
public sealed record EventLine(long Sequence, DateTimeOffset Time, string Stream, string Event, string What, string Why, string Actor)
{
    private const int LongestRaw = 200;

    /// <summary>False for an event that the state machine did not accept: stale, repeated, or of another attempt.</summary>
    public bool Counted { get; init; } = true;

    /// <summary>The service that wrote it; null in events of early versions.</summary>
    public string? Service { get; init; }

    /// <summary>Its replica.</summary>
    public string? Replica { get; init; }

    /// <summary>The program's version.</summary>
    public string? Version { get; init; }

    /// <summary>The id of the message that caused it.</summary>
    public string? CausedBy { get; init; }

    /// <summary>The event as it is stored.</summary>
    public JsonNode? Data { get; init; }

    /// <summary>The line of an event.</summary>
    public static EventLine Of(RecordedEvent one)
    {
        var (what, why) = one.Fact is { } fact
            ? ImageText.Describe(fact) ?? UserText.Describe(fact) ?? (Words(one.Type), Raw(one.Data))
            : (one.Type, $"{one.Problem}: {Raw(one.Data)}");
        return new EventLine(one.Sequence, one.RecordedAt.ToUniversalTime(), one.Stream, one.Type, what, why, ActorOf(one))
        {
            Service = one.Header("service"),
            Replica = one.Header("replica"),
            Version = one.Header("version"),
            CausedBy = one.CausationId,
            Data = JsonNode.Parse(one.Data),
        };
    }

    private static string ActorOf(RecordedEvent one) => one.Fact switch
    {
        RequestedByPerson { FieldManager: { } manager } => manager,
        ImageRetained { FieldManager: { } manager } => manager,
        ImageReleased { FieldManager: { } manager } => manager,
        ImageExpirySet { FieldManager: { } manager } => manager,
        RefreshRequested { FieldManager: { } manager } => manager,
        ImageForgotten { FieldManager: { } manager } => manager,
        ImageFetchStarted { By: var replica } => replica,
        ImageEvictionStarted { By: var replica } => replica,
        _ => one.Header("service") ?? "",
    };

    // ImageLost: image lost.
    private static string Words(string type)
    {
        var words = new StringBuilder();
        foreach (var letter in type)
            words.Append(char.IsUpper(letter) && words.Length > 0 ? " " : "").Append(char.ToLower(letter, CultureInfo.InvariantCulture));
        return words.ToString();
    }

    private static string Raw(string data) => data.Length <= LongestRaw ? data : data[..LongestRaw] + "…";
}
