using System.Formats.Tar;
using System.IO.Compression;
using System.Text;

namespace Kuik.Testing;

/// <summary>A layer of real files: a tar, compressed with gzip. The same arguments give the same bytes.</summary>
public sealed record TestLayer
{
    private static readonly Lazy<TestLayer> OfBusybox = new(() => Of(WriteBusybox));

    private TestLayer(byte[] bytes, string diffId) => (Bytes, DiffId) = (bytes, diffId);

    /// <summary>As it is stored and transferred.</summary>
    public byte[] Bytes { get; }

    /// <summary>The digest of the tar before compression, as an image's config names it.</summary>
    public string DiffId { get; }

    /// <summary>A root file system to run: busybox as <c>/bin/sh</c> and some more. Debian's busybox-static must be installed.</summary>
    public static TestLayer Busybox => OfBusybox.Value;

    /// <summary>One text file.</summary>
    public static TestLayer Text(string path, string content) => Of(tar => Write(tar, path, Encoding.UTF8.GetBytes(content)));

    /// <summary>One file <c>data-SEED</c> of random bytes, which do not compress: the layer is a little larger than
    /// <paramref name="size"/>.</summary>
    /// <param name="seed">Another one gives another layer.</param>
    /// <param name="size">In bytes.</param>
    public static TestLayer Random(int seed, int size)
    {
        var content = new byte[size];
        new Random(seed).NextBytes(content);
        return Of(tar => Write(tar, $"data-{seed}", content));
    }

    private static TestLayer Of(Action<TarWriter> write)
    {
        using var tar = new MemoryStream();
        using (var writer = new TarWriter(tar, TarEntryFormat.Pax, leaveOpen: true))
            write(writer);
        using var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.Fastest, leaveOpen: true))
            gzip.Write(tar.GetBuffer().AsSpan(0, (int)tar.Length));
        return new TestLayer(compressed.ToArray(), TestBlob.DigestOf(tar.GetBuffer().AsSpan(0, (int)tar.Length)));
    }

    private static void WriteBusybox(TarWriter tar)
    {
        tar.WriteEntry(Dated(new UstarTarEntry(TarEntryType.Directory, "bin/") { Mode = (UnixFileMode)0b111_101_101 }));
        Write(tar, "bin/busybox", File.ReadAllBytes("/bin/busybox"), (UnixFileMode)0b111_101_101);
        foreach (var name in new[] { "sh", "cat", "echo", "env", "ls", "sleep" })
            tar.WriteEntry(Dated(new UstarTarEntry(TarEntryType.SymbolicLink, $"bin/{name}") { LinkName = "busybox" }));
    }

    private static void Write(TarWriter tar, string path, byte[] content, UnixFileMode mode = (UnixFileMode)0b110_100_100) =>
        tar.WriteEntry(Dated(new UstarTarEntry(TarEntryType.RegularFile, path) { Mode = mode, DataStream = new MemoryStream(content) }));

    private static UstarTarEntry Dated(UstarTarEntry entry)
    {
        entry.ModificationTime = DateTimeOffset.UnixEpoch.AddYears(50);
        return entry;
    }
}
