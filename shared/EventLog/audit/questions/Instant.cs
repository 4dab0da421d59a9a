using System.Globalization;

namespace Kuik.EventLog.Audit;

/// <summary>A place in the log: a time, or the sequence number of an event.</summary>
/// <param name="Time">The time; null for a sequence number.</param>
/// <param name="Sequence">The number; null for a time.</param>
public sealed record Instant(DateTimeOffset? Time, long? Sequence)
{
    /// <summary>For descriptions of options.</summary>
    public const string Accepted = "a time (RFC 3339; without an offset in your zone; 90m, 2h or 7d ago; now) or a sequence number";

    private static readonly string[] Local = ["yyyy-MM-dd", "yyyy-MM-dd HH:mm", "yyyy-MM-dd HH:mm:ss", "yyyy-MM-ddTHH:mm",
        "yyyy-MM-ddTHH:mm:ss"];

    /// <summary>Reads it.</summary>
    /// <param name="text">As the user wrote it.</param>
    /// <param name="now">For what is relative.</param>
    /// <param name="zone">Of times without an offset.</param>
    /// <returns>Null when it is no place.</returns>
    public static Instant? Parse(string text, DateTimeOffset now, TimeZoneInfo zone)
    {
        if (text == "now")
            return new Instant(now, null);
        if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var sequence))
            return new Instant(null, sequence);
        if (text.Length > 1 && int.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            && UnitOf(text[^1]) is { } unit)
            return new Instant(now - (count * unit), null);
        if (DateTime.TryParseExact(text, Local, CultureInfo.InvariantCulture, DateTimeStyles.None, out var local))
            return new Instant(new DateTimeOffset(local, zone.GetUtcOffset(local)), null);
        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            ? new Instant(time, null)
            : null;
    }

    /// <summary>The last sequence number up to this place.</summary>
    public async Task<long> Find(EventPositions positions, CancellationToken ct) =>
        Sequence ?? await positions.At(Time!.Value, ct);

    /// <summary>The same, of a place at which the whole state is asked for.</summary>
    /// <exception cref="HistoryRemovedException">The log has lost events of that time.</exception>
    public async Task<long> FindKnown(EventPositions positions, CancellationToken ct)
    {
        var place = await Find(positions, ct);
        (await positions.Horizon(ct)).EnsureKnown(place, Time);
        return place;
    }

    /// <summary>The same place as text: RFC 3339, or the sequence number.</summary>
    public override string ToString() => Sequence?.ToString(CultureInfo.InvariantCulture)
        ?? Time!.Value.ToUniversalTime().ToString("O", CultureInfo.InvariantCulture);

    private static TimeSpan? UnitOf(char letter) => letter switch
    {
        's' => TimeSpan.FromSeconds(1),
        'm' => TimeSpan.FromMinutes(1),
        'h' => TimeSpan.FromHours(1),
        'd' => TimeSpan.FromDays(1),
        _ => null,
    };
}
