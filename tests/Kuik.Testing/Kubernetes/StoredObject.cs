using System.Buffers;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Kuik.Testing;

/// <summary>An object of a <see cref="ScriptedKubernetes"/>. Immutable: a change stores another one.</summary>
internal abstract class StoredObject
{
    /// <summary>Null for an object of the cluster.</summary>
    public abstract string? Namespace { get; }

    public abstract string Name { get; }

    public abstract string Uid { get; }

    /// <summary>Its resourceVersion; set once, when it is stored.</summary>
    public long Version { get; set; }

    public abstract IReadOnlyDictionary<string, string> Labels { get; }

    /// <summary>Writes it as JSON.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="version">The resourceVersion to show: its own, or that of its deletion.</param>
    public abstract void Write(Utf8JsonWriter json, long version);

    /// <summary>A copy that can be changed.</summary>
    public JsonObject ToJson()
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
            Write(json, Version);
        return JsonNode.Parse(buffer.WrittenSpan)!.AsObject();
    }

    protected static string Text(long version) => version.ToString(CultureInfo.InvariantCulture);
}

/// <summary>An object as it was written by a client, kept as bytes.</summary>
internal sealed class JsonStoredObject : StoredObject
{
    private static readonly IReadOnlyDictionary<string, string> None = new Dictionary<string, string>();

    private readonly byte[] _json;

    public JsonStoredObject(JsonObject content)
    {
        var metadata = content["metadata"]!.AsObject();
        Namespace = (string?)metadata["namespace"];
        Name = (string)metadata["name"]!;
        Uid = (string)metadata["uid"]!;
        Labels = metadata["labels"] is JsonObject { Count: > 0 } labels
            ? labels.ToDictionary(label => label.Key, label => (string?)label.Value ?? "") : None;
        _json = JsonSerializer.SerializeToUtf8Bytes(content);
    }

    public override string? Namespace { get; }

    public override string Name { get; }

    public override string Uid { get; }

    public override IReadOnlyDictionary<string, string> Labels { get; }

    public override void Write(Utf8JsonWriter json, long version)
    {
        var content = JsonNode.Parse(_json)!;
        content["metadata"]!["resourceVersion"] = Text(version);
        content.WriteTo(json);
    }
}
