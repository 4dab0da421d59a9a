using System.Text.Json;
using System.Text.Json.Nodes;
using Kuik.EventLog.Audit;
using YamlDotNet.Serialization;

namespace Kuik.CommandLine.Output;

/// <summary>Prints a value as one JSON or YAML document, or as one line of JSON. Times are RFC 3339.</summary>
internal static class Document
{
    private static readonly JsonSerializerOptions Indented = new(AuditJson.Options) { WriteIndented = true };

    /// <summary>Writes the document, without keeping all of its text in memory if it is JSON.</summary>
    public static async Task Write<T>(T value, Format format, CancellationToken ct)
    {
        await using var output = Console.OpenStandardOutput();
        if (format == Format.Yaml)
        {
            await using var writer = new StreamWriter(output);
            await writer.WriteAsync(Yaml(value).AsMemory(), ct);
            return;
        }
        await JsonSerializer.SerializeAsync(output, value, Indented, ct);
        output.WriteByte((byte)'\n');
    }

    /// <summary>One line of JSON.</summary>
    public static string Line<T>(T value) => JsonSerializer.Serialize(value, AuditJson.Options);

    /// <summary>YAML. Strings that would read as another type are quoted.</summary>
    public static string Yaml<T>(T value) => new SerializerBuilder().WithQuotingNecessaryStrings().Build()
        .Serialize(Plain(JsonSerializer.SerializeToNode(value, AuditJson.Options)) ?? "");

    private static object? Plain(JsonNode? node) => node switch
    {
        null => null,
        JsonObject fields => fields.ToDictionary(field => field.Key, field => Plain(field.Value)),
        JsonArray list => list.Select(Plain).ToList(),
        _ => node.GetValueKind() switch
        {
            JsonValueKind.String => node.GetValue<string>(),
            JsonValueKind.Number => node.AsValue().TryGetValue<long>(out var whole) ? whole : node.GetValue<double>(),
            var kind => kind == JsonValueKind.True,
        },
    };
}
