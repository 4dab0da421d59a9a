using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Kuik.EventLog.Audit;

/// <summary>The JSON of answers: camelCase, names of enums, RFC 3339, absent for null.</summary>
public static class AuditJson
{
    /// <summary>The largest number of entries of a page of the audit API.</summary>
    public const int MostEntries = 1000;

    /// <summary>In one line.</summary>
    public static JsonSerializerOptions Options { get; } = new(JsonSerializerDefaults.Web)
    {
        Converters = { new JsonStringEnumConverter() },
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,   // for a terminal, not for a web page
    };
}
