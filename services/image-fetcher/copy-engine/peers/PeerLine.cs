using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>One line of a response between replicas: JSON with exactly one of these properties.</summary>
internal sealed record PeerLine
{
    /// <summary>The work continues: bytes that have arrived, or 0.</summary>
    public long? Working { get; init; }

    /// <summary>The cache has the blob; bytes downloaded from the origin.</summary>
    public long? Copied { get; init; }

    /// <summary>The requested manifest.</summary>
    public PeerManifest? Manifest { get; init; }

    /// <summary>The work failed.</summary>
    public PeerFailure? Failed { get; init; }

    /// <summary>The line of a failure.</summary>
    public static PeerLine From(CopyException e) =>
        new() { Failed = new PeerFailure(e.Kind, e.Message, e.RetryHelps, e.RetryAfter?.TotalSeconds, (int?)e.Status) };

    /// <summary>The line without its line end.</summary>
    public string Write() => JsonSerializer.Serialize(this, PeerJson.Default.PeerLine);

    /// <summary>Parses a line.</summary>
    /// <exception cref="CopyException">The line reports a failure.</exception>
    /// <exception cref="JsonException">The line is not one of this version.</exception>
    public static PeerLine Parse(string text)
    {
        var line = JsonSerializer.Deserialize(text, PeerJson.Default.PeerLine);
        if (line?.Failed is { } failed)
            throw new CopyException(failed.Kind, failed.Message, failed.RetryHelps, RetryAfter(failed), (HttpStatusCode?)failed.Status);
        return line is { Working: not null } or { Copied: not null } or { Manifest: not null }
            ? line
            : throw new JsonException("the line says nothing that is known");
    }

    private static TimeSpan? RetryAfter(PeerFailure failed) =>
        failed.RetryAfterSeconds is >= 0 and < 1e9 and var seconds ? TimeSpan.FromSeconds(seconds) : null;
}

/// <summary>A manifest between replicas.</summary>
internal sealed record PeerManifest(string MediaType, string Digest, byte[] Bytes);

/// <summary>A <see cref="CopyException"/> between replicas.</summary>
internal sealed record PeerFailure(string Kind, string Message, bool RetryHelps, double? RetryAfterSeconds, int? Status);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(PeerLine))]
internal sealed partial class PeerJson : JsonSerializerContext;
