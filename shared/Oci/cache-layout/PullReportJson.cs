using System.Text.Json.Serialization;

namespace Kuik.Oci;

/// <summary>JSON without reflection, which node-proxy does not have.</summary>
[JsonSourceGenerationOptions(System.Text.Json.JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(PullReport))]
public sealed partial class PullReportJson : JsonSerializerContext;
