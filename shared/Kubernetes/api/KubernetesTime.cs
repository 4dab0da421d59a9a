using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Kuik.Kubernetes;

/// <summary>
/// Converts times in Kubernetes' format: UTC, whole seconds, <c>2026-01-31T12:00:00Z</c>. Users may write other formats: a
/// CustomResourceDefinition's <c>date-time</c> accepts <c>2026-01-31t12:00:00z</c> and an offset of 99 hours. Values that .NET cannot parse
/// are read as absent, because an exception would fail the whole list.
/// </summary>
public sealed class KubernetesTime : JsonConverter<DateTimeOffset?>
{
    public override DateTimeOffset? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType != JsonTokenType.String ? Skip(ref reader)
        : reader.TryGetDateTimeOffset(out var time)
            || DateTimeOffset.TryParse(reader.GetString(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out time)
            ? time.ToUniversalTime()
            : null;

    public override void Write(Utf8JsonWriter writer, DateTimeOffset? value, JsonSerializerOptions options)
    {
        if (value is { } time)
            writer.WriteStringValue(time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
        else
            writer.WriteNullValue();
    }

    private static DateTimeOffset? Skip(ref Utf8JsonReader reader)
    {
        reader.Skip();
        return null;
    }
}
