using System.Text.Json;
using System.Text.Json.Serialization;
using Kuik.Contracts;

namespace Kuik.EventLog.Audit;

/// <summary>The JSON of all events, generated at build time: a command that reads ten of them spends no time on their
/// description.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, UseStringEnumConverter = true,
    GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(PodObserved))]
[JsonSerializable(typeof(PodGone))]
[JsonSerializable(typeof(WorkloadObserved))]
[JsonSerializable(typeof(WorkloadGone))]
[JsonSerializable(typeof(RequestedByPod))]
[JsonSerializable(typeof(RequestedByPerson))]
[JsonSerializable(typeof(RequestedByPull))]
[JsonSerializable(typeof(ImageNamed))]
[JsonSerializable(typeof(ImageRetained))]
[JsonSerializable(typeof(ImageReleased))]
[JsonSerializable(typeof(ImageExpirySet))]
[JsonSerializable(typeof(ImageExpiryRemoved))]
[JsonSerializable(typeof(FetchDue))]
[JsonSerializable(typeof(ImageFetchStarted))]
[JsonSerializable(typeof(ImageCached))]
[JsonSerializable(typeof(ImageAdopted))]
[JsonSerializable(typeof(ImageFetchFailed))]
[JsonSerializable(typeof(ImageLost))]
[JsonSerializable(typeof(RefreshRequested))]
[JsonSerializable(typeof(OriginChecked))]
[JsonSerializable(typeof(TagMoved))]
[JsonSerializable(typeof(RepositoryConfigured))]
[JsonSerializable(typeof(ImageUnused))]
[JsonSerializable(typeof(ImageUsedAgain))]
[JsonSerializable(typeof(ExpiryProposed))]
[JsonSerializable(typeof(ImageForgotten))]
[JsonSerializable(typeof(ImageExpired))]
[JsonSerializable(typeof(EvictionDue))]
[JsonSerializable(typeof(ImageEvictionStarted))]
[JsonSerializable(typeof(ImageEvicted))]
internal sealed partial class FactJson : JsonSerializerContext;
