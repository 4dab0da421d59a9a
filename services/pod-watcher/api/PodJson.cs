using System.Text.Json.Serialization;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>The JSON deserialisation of these types.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(Namespace))]
[JsonSerializable(typeof(Pod))]
[JsonSerializable(typeof(ResourceList<Pod>))]
[JsonSerializable(typeof(WatchLine<Pod>))]
[JsonSerializable(typeof(ResourceList<ServiceAccount>))]
[JsonSerializable(typeof(WatchLine<ServiceAccount>))]
internal sealed partial class PodJson : JsonSerializerContext;
