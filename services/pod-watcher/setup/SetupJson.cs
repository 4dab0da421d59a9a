using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Kuik.PodWatcher.Setup;

/// <summary>
/// The JSON serialisation of these objects. The webhook configuration stays JSON: a patch of a list replaces the list,
/// including fields that are unknown here.
/// </summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Secret))]
[JsonSerializable(typeof(VolumeClaim))]
[JsonSerializable(typeof(JsonObject))]
internal sealed partial class SetupJson : JsonSerializerContext;
