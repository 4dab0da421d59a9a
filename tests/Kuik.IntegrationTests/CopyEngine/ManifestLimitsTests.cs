using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;
using static Kuik.IntegrationTests.CopyEngine.OddManifests;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>
/// Images whose manifests are too many or too large: no replica may run out of memory because of an index of some kilobytes.
/// </summary>
public sealed class ManifestLimitsTests : IAsyncLifetime
{
    private const int ChildSize = 3_900_000;
    private const string Repository = "team/large";

    private ScriptedOrigin origin = null!;
    private Registry cache = null!;
    private StartEngine engine = null!;

    private int ChildrenRead => origin.Ledger.Count(
        request => request.Method == "GET" && request.Path.Contains("/manifests/sha256", StringComparison.Ordinal));

    public async ValueTask InitializeAsync()
    {
        origin = await ScriptedOrigin.Start();
        cache = await Registry.Start();
        engine = await StartEngine.Run(cache, [origin.Host]);
    }

    public async ValueTask DisposeAsync()
    {
        await engine.DisposeAsync();
        await origin.DisposeAsync();
    }

    [Fact]
    public async Task An_index_of_150_large_manifests_is_refused_before_one_of_them_is_read()
    {
        var name = AddIndexOfLargeManifests(statedSize: ChildSize);

        var failure = await Assert.ThrowsAsync<CopyException>(() => engine.Copy(name));

        Assert.Equal((CopyException.Broken, false), (failure.Kind, failure.RetryHelps));
        Assert.Contains($"at most {ManifestBudget.MaxBytes} are copied", failure.Message, StringComparison.Ordinal);
        Assert.Equal(0, ChildrenRead);
    }

    [Fact]
    public async Task An_index_that_states_sizes_that_are_too_small_is_refused_when_32_MiB_have_been_read()
    {
        var name = AddIndexOfLargeManifests(statedSize: 500);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var most = 0L;
        var script = origin.Script;
        origin.Script = request =>
        {
            most = Math.Max(most, GC.GetTotalMemory(forceFullCollection: true) - before);
            return script(request);
        };

        var failure = await Assert.ThrowsAsync<CopyException>(() => engine.Copy(name));

        Assert.Equal((CopyException.Broken, false), (failure.Kind, failure.RetryHelps));
        Assert.InRange(ChildrenRead, 8, 9);
        Assert.True(most < 100 << 20, $"{most >> 20} MiB were held");
    }

    [Fact]
    public async Task Such_an_image_is_pulled_through_all_the_same()
    {
        var name = AddIndexOfLargeManifests(statedSize: ChildSize);
        using var client = engine.Client();

        using var answer = await client.Ask(HttpMethod.Get, name, "manifests/1");

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact]
    public async Task An_index_with_many_entries_of_other_platforms_is_copied()
    {
        var wanted = TestImage.Small(seed: 1);
        var other = TestImage.Small(seed: 2);
        origin.Add(Repository, wanted.Digest, wanted);
        var entries = Enumerable.Range(0, ManifestBudget.MaxEntries - 1)
            .Select(i => Encoding.UTF8.GetBytes(i.ToString(CultureInfo.InvariantCulture)))
            .Select(bytes => new TestImage("", MediaTypes.OciManifest, bytes, other.Config, []))
            .Select(child => Entry(child, "linux/s390x"));
        var name = origin.AddManifest(Repository, "1", MediaTypes.OciIndex, Index([.. entries, Entry(wanted, "linux/amd64")]));

        var copied = await engine.Copy(name);

        Assert.Equal(["linux/amd64"], copied.Platforms);
    }

    [Fact]
    public async Task A_manifest_that_two_nested_indexes_list_is_read_once()
    {
        var image = TestImage.Small(seed: 3);
        origin.Add(Repository, image.Digest, image);
        var (left, right) = (Index(Entry(image, null)), Index(Entry(image, null), Entry(image, null)));
        foreach (var index in new[] { left, right })
            origin.AddManifest(Repository, TestBlob.DigestOf(index), MediaTypes.OciIndex, index);
        var name = origin.AddManifest(Repository, "1", MediaTypes.OciIndex, Index(EntryOfIndex(left), EntryOfIndex(right)));

        await engine.Copy(name);

        Assert.Single(origin.Ledger, request => request.Method == "GET" && request.Target == image.Digest);
    }

    [Fact]
    public async Task A_pull_that_waits_until_its_manifest_can_be_read_is_answered_202_and_other_origins_are_not_delayed()
    {
        var other = await Registry.Start();
        var image = TestImage.Small(seed: 4);
        var name = await other.Push(Repository, "1", image);
        await using var replica = await StartEngine.Run(cache, [origin.Host, other.Host]);
        using var client = replica.Client();
        var gate = new TaskCompletionSource();
        origin.Script = request => request.Method == "GET" ? Misbehave.Delay(gate.Task, image.MediaType) : null;
        var names = Enumerable.Range(0, ManifestReadLimiter.MaxPerHost + 4).Select(i => origin.Add($"team/slow{i}", "1", image)).ToList();

        var statuses = await Task.WhenAll(
            names.Select(async slow => (await client.AskOnce(HttpMethod.Get, slow, "manifests/1")).StatusCode));
        using var quick = await client.Ask(HttpMethod.Get, name, "manifests/1");

        Assert.All(statuses, status => Assert.Equal(HttpStatusCode.Accepted, status));
        Assert.Equal(HttpStatusCode.OK, quick.StatusCode);
        Assert.Equal(ManifestReadLimiter.MaxPerHost, origin.Ledger.Count(request => request.Method == "GET"));
        gate.SetResult();
        foreach (var slow in names)
        {
            using var answer = await client.Ask(HttpMethod.Get, slow, "manifests/1");
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }
    }

    private string AddIndexOfLargeManifests(int statedSize)
    {
        var digests = Enumerable.Range(0, 150).ToDictionary(i => TestBlob.DigestOf(LargeManifest(i)));
        var entries = digests.Keys.Select(
            digest => new JsonObject { ["mediaType"] = MediaTypes.OciManifest, ["digest"] = digest, ["size"] = statedSize });
        origin.Script = request => digests.TryGetValue(request.Target, out var i)
            ? Misbehave.Say(200, Encoding.UTF8.GetString(LargeManifest(i)), MediaTypes.OciManifest)
            : null;
        return origin.AddManifest(Repository, "1", MediaTypes.OciIndex, Index([.. entries]));
    }

    private static byte[] LargeManifest(int number)
    {
        var config = $$"""{"mediaType":"{{MediaTypes.Empty}}","digest":"{{ArtifactManifest.EmptyDigest}}","size":2}""";
        var head = $$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciManifest}}","config":{{config}},"layers":[],"""
            + $$"""
            "annotations":{"n":"{{number:000}}","x":
            """;
        return Encoding.UTF8.GetBytes(head + "\"" + new string('x', ChildSize - head.Length - 4) + "\"}}");
    }

    private static JsonObject EntryOfIndex(byte[] index) =>
        new() { ["mediaType"] = MediaTypes.OciIndex, ["digest"] = TestBlob.DigestOf(index), ["size"] = index.Length };
}
