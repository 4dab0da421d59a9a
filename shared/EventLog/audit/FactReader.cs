using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Kuik.EventLog.Audit;

/// <summary>Reads events from their JSON, as Marten's serializer of the event log would, but tolerates types of newer versions.</summary>
public static class FactReader
{
    private static readonly Dictionary<string, Type> KnownTypes = EventTypes.All.ToDictionary(type => type.Name);

    /// <summary>The JSON of events and of projected documents.</summary>
    public static JsonSerializerOptions Json { get; } = new(JsonSerializerDefaults.Web)
    {
        Converters = { new JsonStringEnumConverter() },
        TypeInfoResolver = JsonTypeInfoResolver.Combine(FactJson.Default, new DefaultJsonTypeInfoResolver()),
    };

    /// <summary>The names of all events that this version knows.</summary>
    public static IReadOnlyCollection<string> Known => KnownTypes.Keys;

    /// <summary>The event; null, with the reason, when this version does not know the type or cannot read the data.</summary>
    /// <param name="type">The event's name.</param>
    /// <param name="data">Its JSON.</param>
    public static (object? Fact, string? Problem) Read(string type, string data) =>
        Read(type, known => JsonSerializer.Deserialize(data, known, Json));

    /// <inheritdoc cref="Read(string, string)"/>
    /// <param name="type">The event's name.</param>
    /// <param name="data">Its JSON in UTF-8.</param>
    public static (object? Fact, string? Problem) Read(string type, byte[] data) =>
        Read(type, known => JsonSerializer.Deserialize(data, known, Json));

    private static (object? Fact, string? Problem) Read(string type, Func<Type, object?> deserialize)
    {
        if (!KnownTypes.TryGetValue(type, out var known))
            return (null, $"this version does not know the event {type}");
        try
        {
            return deserialize(known) is { } fact ? (fact, null) : (null, $"the data of {type} is null");
        }
        catch (JsonException fault)
        {
            return (null, $"the data of {type} cannot be read: {fault.Message}");
        }
    }
}
