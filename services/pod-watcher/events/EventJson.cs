using System.Text.Json.Serialization;

namespace Kuik.PodWatcher;

/// <summary>The JSON serialisation of these types.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(KubernetesEvent))]
internal sealed partial class EventJson : JsonSerializerContext;
