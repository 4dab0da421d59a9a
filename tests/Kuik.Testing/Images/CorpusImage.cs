namespace Kuik.Testing;

/// <summary>A manifest or an index, with everything that it refers to.</summary>
/// <param name="MediaType">The media type with which a registry has to serve it.</param>
/// <param name="Bytes">Exactly.</param>
/// <param name="Blobs">Config and layers that a registry holds; none of an index.</param>
/// <param name="Entries">The entries of an index, in order; none of a manifest.</param>
public sealed record CorpusManifest(string MediaType, byte[] Bytes, IReadOnlyList<TestBlob> Blobs, IReadOnlyList<CorpusEntry> Entries)
{
    public string Digest { get; } = TestBlob.DigestOf(Bytes);

    /// <summary>This one and everything below it, children before their index.</summary>
    public IEnumerable<CorpusManifest> All =>
        Entries.SelectMany(entry => entry.Manifest.All).Append(this).DistinctBy(manifest => manifest.Digest);

    /// <summary>The same without an index's entries for other platforms: the manifests that a copy fetches ahead.</summary>
    /// <param name="platform"><c>os/architecture</c>.</param>
    public IEnumerable<CorpusManifest> For(string platform) => Entries.Where(entry => entry.Platform == platform)
        .SelectMany(entry => entry.Manifest.For(platform)).Append(this).DistinctBy(manifest => manifest.Digest);
}

/// <summary>An entry of an index.</summary>
/// <param name="Manifest">Its manifest.</param>
/// <param name="Platform"><c>os/architecture[/variant]</c>; null if the index states none, and for attestations.</param>
public sealed record CorpusEntry(CorpusManifest Manifest, string? Platform);

/// <summary>An image of the corpus.</summary>
/// <param name="Kind">Its special property, in a few words.</param>
/// <param name="Repository">Its repository.</param>
/// <param name="Tag">Its tag.</param>
/// <param name="Root">The tag's manifest or index.</param>
public sealed record CorpusImage(string Kind, string Repository, string Tag, CorpusManifest Root);
