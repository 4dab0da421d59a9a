using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Kuik.Kubernetes;

namespace Kuik.CommandLine.Doctor;

/// <summary>The JSON serialisation of the objects read and of the report.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = false, WriteIndented = true)]
[JsonSerializable(typeof(JsonObject))]
[JsonSerializable(typeof(ResourceList<Namespace>))]
[JsonSerializable(typeof(ResourceList<Node>))]
[JsonSerializable(typeof(ResourceList<Pod>))]
[JsonSerializable(typeof(ResourceList<Workload>))]
[JsonSerializable(typeof(ResourceList<Service>))]
[JsonSerializable(typeof(ResourceList<ConfigMap>))]
[JsonSerializable(typeof(ResourceList<VolumeClaim>))]
[JsonSerializable(typeof(ResourceList<StorageClass>))]
[JsonSerializable(typeof(ResourceList<Event>))]
[JsonSerializable(typeof(Secret))]
[JsonSerializable(typeof(ConfigMap))]
[JsonSerializable(typeof(WebhookConfiguration))]
[JsonSerializable(typeof(ReportDocument))]
internal sealed partial class DoctorJson : JsonSerializerContext;
