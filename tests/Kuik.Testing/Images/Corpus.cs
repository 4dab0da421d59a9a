using System.Globalization;
using System.Text.Json.Nodes;
using Kuik.Oci;

namespace Kuik.Testing;

/// <summary>Images of every kind that registries hold, small and many. The same seed makes the same ones.</summary>
public sealed class Corpus
{
    private static readonly string[] Platforms = ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x", "windows/amd64"];
    private static readonly TestBlob Empty = new(MediaTypes.Empty, ArtifactManifest.EmptyBlob.ToArray());

    private readonly Random random;
    private readonly MakeManifests make;

    private Corpus(int seed)
    {
        random = new Random(seed);
        make = new MakeManifests(random);
    }

    /// <summary>Images of every kind in turn, in repositories of one and of many, with tags of every shape; the last two have manifests of
    /// nearly 4 MiB.</summary>
    /// <param name="seed">Another one makes others.</param>
    /// <param name="count">How many; every kind is there with 24.</param>
    public static IReadOnlyList<CorpusImage> Generate(int seed, int count)
    {
        var corpus = new Corpus(seed);
        var kinds = corpus.Kinds.Select(kind => (kind.Name, Repository: corpus.Repository(kind.Name), kind.Make)).ToList();
        var images = new List<CorpusImage>();
        for (var i = 0; i < count - 2; i++)
        {
            var (name, repository, make) = kinds[i % kinds.Count];
            images.Add(new CorpusImage(name, i % 3 == 0 ? $"{repository}/{i}" : repository, corpus.Tag(i), make()));
        }
        images.Add(new CorpusImage("manifest of nearly 4 MiB", "large/manifest", "1", corpus.make.Image(change: corpus.Fill)));
        images.Add(new CorpusImage("index of nearly 4 MiB", "large/index", "1",
            corpus.make.Index(corpus.ForPlatforms(ImageFormat.Oci), change: corpus.Fill)));
        return images;
    }

    private (string Name, Func<CorpusManifest> Make)[] Kinds =>
    [
        ("Docker manifest", () => make.Image(ImageFormat.Docker)),
        ("OCI manifest", () => make.Image()),
        ("OCI manifest that does not name its type", () => make.Image(change: manifest => manifest.Remove("mediaType"))),
        ("Docker manifest list", () => make.Index(ForPlatforms(ImageFormat.Docker), ImageFormat.Docker)),
        ("OCI index", () => make.Index(ForPlatforms(ImageFormat.Oci))),
        ("OCI index of Docker manifests that does not name its type",
            () => make.Index(ForPlatforms(ImageFormat.Docker), change: index => index.Remove("mediaType"))),
        ("index with attestations", () => make.Index([.. ForPlatforms(ImageFormat.Oci), .. Attestations()])),
        ("index with children without a platform",
            () => make.Index([new(make.Image(), null), new(make.Image(), "linux/amd64"), new(Artifact(subject: null), null)])),
        ("index without children", () => make.Index([])),
        ("index in an index",
            () => make.Index([new(make.Index(ForPlatforms(ImageFormat.Oci)), "linux/amd64"),
                new(make.Index([new(make.Image(), "linux/amd64")]), null)])),
        ("artifact", () => Artifact(subject: null)),
        ("artifact that refers to another manifest", () => Artifact(make.Image())),
        ("artifact of nothing but the empty descriptor",
            () => make.Image([Empty], Empty, change: manifest => manifest["artifactType"] = "application/vnd.example.nothing")),
        ("image without layers", () => make.Image([], format: AnyFormat())),
        ("image with a layer of no bytes",
            () => make.Image([make.Layer(ImageFormat.Oci), new("application/vnd.oci.image.layer.v1.tar", [])])),
        ("image with one layer twice", OneLayerTwice),
        ("zstd and uncompressed layers",
            () => make.Image([make.Layer("application/vnd.oci.image.layer.v1.tar+zstd"),
                make.Layer("application/vnd.oci.image.layer.v1.tar")])),
        ("uncompressed Docker layers",
            () => make.Image([make.Layer("application/vnd.docker.image.rootfs.diff.tar")], format: ImageFormat.Docker)),
        ("unknown fields", () => make.Image(AnyFormat(), AddUnknownFields)),
        ("index with unknown fields", () => make.Index(ForPlatforms(ImageFormat.Oci), change: AddUnknownFields)),
        ("foreign layers", () => ForeignLayers(AnyFormat())),
        ("a large layer", () =>
            make.Image([new("application/vnd.oci.image.layer.v1.tar+gzip", make.RandomBytes(random.Next(600_000, 900_000)))])),
    ];

    private IReadOnlyList<CorpusEntry> ForPlatforms(ImageFormat format) =>
        [.. Platforms.Take(random.Next(1, 4)).Select(platform => new CorpusEntry(make.Image(format), platform))];

    /// <summary>As buildkit attaches them: a manifest of in-toto statements for the platform unknown/unknown.</summary>
    private IEnumerable<CorpusEntry> Attestations() =>
        Enumerable.Range(0, random.Next(1, 3)).Select(_ => new CorpusEntry(make.Image([make.Layer(MakeManifests.Attestation)]), null));

    private CorpusManifest OneLayerTwice()
    {
        var layer = make.Layer(ImageFormat.Docker);
        return make.Image([layer, make.Layer(ImageFormat.Docker), layer], format: ImageFormat.Docker);
    }

    private CorpusManifest Artifact(CorpusManifest? subject) =>
        make.Image([make.Layer("application/vnd.example.data"), make.Layer("text/plain")], Empty, change: manifest =>
    {
        manifest["artifactType"] = "application/vnd.example.artifact.v1";
        if (subject is not null)
            manifest["subject"] = new JsonObject
            { ["mediaType"] = subject.MediaType, ["digest"] = subject.Digest, ["size"] = subject.Bytes.Length };
    });

    private CorpusManifest ForeignLayers(ImageFormat format) =>
        make.Image(format, manifest => manifest["layers"]!.AsArray().Insert(0, (JsonNode)new JsonObject
        {
            ["mediaType"] = format == ImageFormat.Oci
            ? "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
            : "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            ["digest"] = TestBlob.DigestOf(make.RandomBytes(16)),
            ["size"] = 1234,
            ["urls"] = new JsonArray("https://layers.example/base"),
        }));

    private void AddUnknownFields(JsonObject manifest)
    {
        manifest["annotations"] = new JsonObject
        { ["org.example.text"] = "\u00fcml\u00e4ut \" \\ / + < \u2028 \ud83d\ude00", ["org.example.number"] = $"{random.Next()}" };
        manifest["x-unknown"] = new JsonArray(1, 2.5, null, new JsonObject { ["deep"] = true });
    }

    private void Fill(JsonObject manifest) =>
        manifest["annotations"] = new JsonObject { ["org.example.fill"] = Convert.ToHexString(make.RandomBytes(2_090_000)) };

    private ImageFormat AnyFormat() => random.Next(2) == 0 ? ImageFormat.Oci : ImageFormat.Docker;

    private string Repository(string kind)
    {
        var words = kind.ToLowerInvariant().Split(' ');
        return random.Next(4) switch
        {
            0 => string.Join("/", words),
            1 => "team/" + string.Join("__", words),
            2 => string.Join("-", words),
            _ => "a/b.c/d--e/" + string.Join("_", words) + string.Concat(Enumerable.Repeat("/deeper", 10)),
        };
    }

    private string Tag(int number) => random.Next(5) switch
    {
        0 => $"{number}.2.3",
        1 => $"RC-{number}_Final.X",
        2 => $"_{number}",
        3 => new string('x', 128 - 4) + number.ToString("0000", CultureInfo.InvariantCulture),
        _ => $"sha256-{Convert.ToHexStringLower(make.RandomBytes(32))}.sig{number}",   // as cosign names them
    };
}
