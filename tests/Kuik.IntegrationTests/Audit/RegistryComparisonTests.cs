using Kuik.CommandLine.Audit;
using Kuik.Contracts;
using Kuik.EventLog.Audit;
using Kuik.IntegrationTests.NodeProxy;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Audit;

/// <summary><c>kuik verify --registry</c> on a real registry, whose volume the test damages.</summary>
[Collection(AuditCollection.Name)]
public sealed class RegistryComparisonTests(AuditWorld world) : IAsyncLifetime
{
    private const string Path = "registry.example.com/team/app";
    private const string Single = Path + ":1";
    private const string OfIndex = Path + ":2";

    private static readonly DateTimeOffset Recorded = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly TestImage Image = TestImage.Small(seed: 70);
    private static readonly TestIndex Index = TestIndex.Small(seed: 71);
    private static readonly TestImage Child = Index.Child("linux/amd64");

    private Registry _cache = null!;

    public async ValueTask InitializeAsync()
    {
        _cache = await Registry.Start();
        await _cache.Store(Path, "1", Image);
        await _cache.Store(Path, "2", Index, Child);   // the other platform is in the index, and not in the cache
    }

    public async ValueTask DisposeAsync() => await _cache.Stop();

    /// <summary>The digest of the damaged part, the image that lacks it, and the sentence.</summary>
    public static TheoryData<string, string, string> Losses => new()
    {
        { Image.Layers[0].Digest, Single, $"there is no blob {Image.Layers[0].Digest} in {Path}" },
        { Image.Config.Digest, Single, $"there is no blob {Image.Config.Digest} in {Path}" },
        { Image.Digest, Single, $"there is no manifest under the tag 1 of {Path}" },
        { Index.Digest, OfIndex, $"there is no manifest under the tag 2 of {Path}" },
        { Child.Digest, OfIndex, $"there is no manifest {Child.Digest} in {Path}" },
        { Child.Layers[0].Digest, OfIndex, $"there is no blob {Child.Layers[0].Digest} in {Path}" },
    };

    [Fact]
    public async Task A_registry_that_has_what_the_log_says_has_no_difference() =>
        Assert.Empty(await Compare(Cached(Single, Image.Digest), Cached(OfIndex, Index.Digest, "linux/amd64")));

    [Theory]
    [MemberData(nameof(Losses))]
    public async Task A_part_that_is_missing_from_the_volume_is_found(string digest, string image, string sentence)
    {
        File.Delete(System.IO.Path.Combine(
            _cache.DataFolder, "docker/registry/v2/blobs/sha256", digest[7..9], digest[7..], "data"));

        var differences = await Compare(Cached(Single, Image.Digest), Cached(OfIndex, Index.Digest, "linux/amd64"));

        Assert.Equal([new LogDifference("registry", image, sentence)], differences);
    }

    [Fact]
    public async Task A_tag_of_other_bytes_or_of_an_image_that_the_log_does_not_know_or_has_seen_leave_is_found()
    {
        var differences = await Compare(Cached(Single, Index.Digest));

        Assert.Equal(
        [
            new LogDifference("registry", Single, $"the tag 1 of {Path} is {Image.Digest}, the log says {Index.Digest}"),
            new LogDifference("registry", OfIndex, $"there is a tag 2 in {Path}, and the log has no event of this image"),
        ], differences);
        Assert.Contains(await Compare(Cached(OfIndex, Index.Digest), [.. Cached(Single, Image.Digest), .. Evicted(Single)]),
            one => one.Found == $"there is a tag 1 in {Path}, and by the log the image has left the cache");
    }

    [Fact]
    public async Task What_an_eviction_leaves_under_a_tag_and_what_has_just_changed_is_no_difference()
    {
        await _cache.Bury(Path, "1");

        Assert.Empty(await Compare([.. Cached(Single, Image.Digest), .. Evicted(Single)], Cached(OfIndex, Index.Digest)));
        Assert.Empty(await Compare(Recorded.AddSeconds(20), Cached(Single, Image.Digest), Cached(OfIndex, Child.Digest)));
    }

    [Fact]
    public async Task The_command_lists_it_with_exit_code_1()
    {
        var run = await world.Shell($"kuik verify --registry {_cache.Endpoint} --registry-rate 1000 --output json");
        var away = await world.Shell($"kuik verify --registry http://127.0.0.1:{FreePort.Next()}");

        Assert.Equal(1, run.ExitCode);
        Assert.Contains($"\"found\": \"there is a tag 1 in {Path}, and the log has no event of this image\"", run.Output,
            StringComparison.Ordinal);
        Assert.Equal(70, away.ExitCode);
        Assert.StartsWith("kuik: ", Assert.Single(away.Errors.TrimEnd().Split('\n')), StringComparison.Ordinal);
    }

    private Task<IReadOnlyList<LogDifference>> Compare(params object[][] facts) => Compare(Recorded.AddHours(1), facts);

    private async Task<IReadOnlyList<LogDifference>> Compare(DateTimeOffset now, params object[][] facts)
    {
        var state = new ReplayedState();
        foreach (var stream in facts)
            for (var i = 0; i < stream.Length; i++)
            {
                var image = (string)stream[i].GetType().GetProperty("Image")!.GetValue(stream[i])!;
                state.Apply(new RecordedEvent(
                    i + 1, Guid.Empty, StreamName.OfImage(image), i + 1, stream[i].GetType().Name, Recorded, "{}")
                { Fact = stream[i] });
            }
        using var registry = new CacheRegistryReader(_cache.Endpoint, null, rate: 1000);
        return await new RegistryComparison(registry, state, now).Compare(null, TestContext.Current.CancellationToken);
    }

    private static object[] Cached(string image, string digest, params string[] platforms) =>
    [
        new RequestedByPull(image, Recorded),
        new ImageFetchStarted(image, "fetcher-1", Recorded.AddMinutes(2), Recorded) { Attempt = 1 },
        new ImageCached(image, digest, "m", platforms, [], 1, 1, 0, TimeSpan.FromSeconds(1), Recorded) { Attempt = 1 },
    ];

    private static object[] Evicted(string image) =>
    [
        new ImageExpired(image, Recorded),
        new ImageEvictionStarted(image, "fetcher-1", Recorded.AddMinutes(2), Recorded) { Attempt = 2 },
        new ImageEvicted(image, Recorded) { Attempt = 2 },
    ];
}
