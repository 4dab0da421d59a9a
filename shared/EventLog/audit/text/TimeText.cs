using System.Globalization;

namespace Kuik.EventLog.Audit;

/// <summary>Times and sizes for people: in the zone of the user (<c>TZ</c>), with its offset.</summary>
public static class TimeText
{
    /// <summary>For example <c>2026-11-28 14:02:11+01:00</c>; empty for null.</summary>
    public static string Of(DateTimeOffset? time) => Of(time, TimeZoneInfo.Local);

    /// <summary>The same in a zone.</summary>
    public static string Of(DateTimeOffset? time, TimeZoneInfo zone) => time is { } known
        ? TimeZoneInfo.ConvertTime(known, zone).ToString("yyyy-MM-dd HH:mm:sszzz", CultureInfo.InvariantCulture).Replace("+00:00", "Z",
            StringComparison.Ordinal)
        : "";

    /// <summary>For example <c>3 s</c>, <c>12 min</c>, <c>5 h</c> or <c>9 days</c>.</summary>
    public static string Of(TimeSpan span) => span switch
    {
        { TotalSeconds: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{span.TotalMilliseconds:0} ms"),
        { TotalSeconds: < 100 } => string.Create(CultureInfo.InvariantCulture, $"{span.TotalSeconds:0} s"),
        { TotalMinutes: < 100 } => string.Create(CultureInfo.InvariantCulture, $"{span.TotalMinutes:0} min"),
        { TotalHours: < 48 } => string.Create(CultureInfo.InvariantCulture, $"{span.TotalHours:0} h"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{span.TotalDays:0} days"),
    };

    /// <summary>For example <c>56.3 MiB</c>; empty for null.</summary>
    public static string OfBytes(long? bytes) => bytes switch
    {
        null => "",
        < 1 << 10 => string.Create(CultureInfo.InvariantCulture, $"{bytes} B"),
        < 1 << 20 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1024.0:0.#} KiB"),
        < 1 << 30 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1048576.0:0.#} MiB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1073741824.0:0.##} GiB"),
    };

    /// <summary>The first twelve digits of a digest; empty for null.</summary>
    public static string OfDigest(string? digest)
    {
        var hex = digest?[(digest.IndexOf(':', StringComparison.Ordinal) + 1)..] ?? "";
        return hex.Length > 12 ? hex[..12] : hex;
    }
}
