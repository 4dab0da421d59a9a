using System.Globalization;
using System.Text.Json.Nodes;
using Kuik.Oci;
using Kuik.Testing;

namespace Kuik.Bench.Copy;

/// <summary>
/// 10 GB through one copy engine, a gigabyte at a time, in blobs of very different sizes and counts: the memory that it takes for each of
/// them must not depend on either, nor grow with what it has copied before. What has been copied is deleted.
/// </summary>
internal static class SoakCopy
{
    private const string Case = "soak of 10 GB";

    private static readonly (int Images, int Layers, int MegabytesEach)[] Kinds = [(1, 1, 1000), (1, 10, 100), (10, 10, 10), (100, 10, 1)];

    public static async Task Run(Registry origin, Results results)
    {
        var cache = await Registry.Start(new RegistryOptions { Name = "cache" });
        var engine = await HostCopyEngine.Start(cache, [origin.Host], CopyCase.BlobsAtOnce);
        var process = engine.Process.Id;
        var idle = ProcessUsage.ResidentMemory(process);
        var peaks = new List<double>();
        for (var gigabyte = 1; gigabyte <= 10; gigabyte++)
        {
            var kind = Kinds[(gigabyte - 1) % Kinds.Length];
            var names = await Push(origin, gigabyte, kind);
            ProcessUsage.ForgetPeak(process);
            await engine.Copy(names, CopyCase.ImagesAtOnce);
            peaks.Add(ProcessUsage.PeakMemory(process)!.Value - idle);
            CopySuite.Say(string.Create(CultureInfo.InvariantCulture,
                $"gigabyte {gigabyte}: {kind.Images * kind.Layers} blobs of {kind.MegabytesEach} MB: at most {peaks[^1]:0.0} MiB above the "
                    + $"{idle:0.0} MiB of the idle process, then {ProcessUsage.ResidentMemory(process) - idle:0.0}"));
            results.Add(CopySuite.Suite, Case, Results.Kuik,
                $"peak memory above idle, {kind.Images * kind.Layers} blobs of {kind.MegabytesEach} MB", "MiB", peaks[^1]);
            foreach (var registry in new[] { origin, cache })
                Directory.Delete(Path.Combine(registry.DataFolder, "docker"), recursive: true);
        }
        await engine.Stop();
        results.Goal($"{Case}: at most 40 MB above the same process idle, whatever the size and count of blobs", $"{peaks.Max():0.0} MiB",
            peaks.Max() * 1.048576 <= 40);
        results.Goal($"{Case}: the second half takes no more than the first", $"{peaks[5..].Max():0.0} and {peaks[..5].Max():0.0} MiB",
            peaks[5..].Max() <= peaks[..5].Max() + 4);
    }

    private static async Task<IReadOnlyList<string>> Push(Registry origin, int gigabyte, (int Images, int Layers, int MegabytesEach) kind)
    {
        var names = new List<string>();
        for (var i = 0; i < kind.Images; i++)
            names.Add(await origin.Push($"soak/{gigabyte}-{i}", "1", Image(kind.Layers, kind.MegabytesEach)));
        return names;
    }

    // The engine does not look into layers: random bytes are cheaper than real ones.
    private static TestImage Image(int layers, int megabytesEach)
    {
        var config = new TestBlob("application/vnd.oci.image.config.v1+json", Guid.NewGuid().ToByteArray());
        TestBlob[] blobs = [.. Enumerable.Range(0, layers)
            .Select(_ => new TestBlob("application/vnd.oci.image.layer.v1.tar", RandomBytes(megabytesEach)))];
        var manifest = new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = MediaTypes.OciManifest,
            ["config"] = Entry(config),
            ["layers"] = new JsonArray([.. blobs.Select(Entry)]),
        };
        return new TestImage("linux/amd64", MediaTypes.OciManifest, System.Text.Encoding.UTF8.GetBytes(manifest.ToJsonString()), config,
            blobs);
    }

    private static JsonObject Entry(TestBlob blob) =>
        new() { ["mediaType"] = blob.MediaType, ["size"] = blob.Bytes.Length, ["digest"] = blob.Digest };

    private static byte[] RandomBytes(int megabytes)
    {
        var bytes = new byte[megabytes * 1_000_000];
        Random.Shared.NextBytes(bytes);
        return bytes;
    }
}
