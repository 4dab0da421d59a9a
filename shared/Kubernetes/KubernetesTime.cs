using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Kuik.Kubernetes;

/// <summary>Times as Kubernetes writes them: UTC, whole seconds, <c>2026-01-31T12:00:00Z</c>.</summary>
public sealed class KubernetesTime : JsonConverter<DateTimeOffset?>
{
    public override DateTimeOffset? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.Null ? null : reader.GetDateTimeOffset().ToUniversalTime();

    public override void Write(Utf8JsonWriter writer, DateTimeOffset? value, JsonSerializerOptions options)
    {
        if (value is { } time)
            writer.WriteStringValue(time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
        else
            writer.WriteNullValue();
    }
}
