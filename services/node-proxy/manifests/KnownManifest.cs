using Microsoft.Extensions.Primitives;

namespace Kuik.NodeProxy;

/// <summary>An answer about one manifest, with its headers ready to be sent again and again.</summary>
internal sealed class KnownManifest
{
    private Freshness _freshness;

    /// <param name="answer">A manifest or a refusal.</param>
    /// <param name="freshness">Since when it is known.</param>
    public KnownManifest(Answer answer, Freshness freshness)
    {
        (Answer, _freshness) = (answer, freshness);
        Manifest = answer as Answer.ManifestAnswer;
        Digest = Manifest?.Digest;
        ETag = $"\"{Manifest?.Digest}\"";
    }

    public Answer Answer { get; }

    /// <summary>Null when the answer is a refusal.</summary>
    public Answer.ManifestAnswer? Manifest { get; }

    /// <summary>For <c>Docker-Content-Digest</c>.</summary>
    public StringValues Digest { get; }

    public StringValues ETag { get; }

    /// <summary>How far it can be trusted. Replaced whole when it is confirmed.</summary>
    public Freshness Freshness
    {
        get => Volatile.Read(ref _freshness);
        set => Volatile.Write(ref _freshness, value);
    }

    /// <summary>True when it can answer the request: if it was only requested with HEAD, its bytes are not known.</summary>
    public bool CanAnswer(bool onlyHead) => onlyHead || Manifest is not { Bytes: null };
}
