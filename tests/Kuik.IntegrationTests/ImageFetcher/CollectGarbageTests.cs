using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.ImageFetcher.GarbageCollection;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.ImageFetcher;

/// <summary>The registry's own collector under the writers' lease, with real servers.</summary>
public sealed class CollectGarbageTests
{
    /// <summary>The time limit for copies to continue after the end of a collection: docs/decisions/0016-setup.md.</summary>
    private static readonly TimeSpan Promised = TimeSpan.FromSeconds(30);

    private static readonly int Seed =
        int.TryParse(Environment.GetEnvironmentVariable("KUIK_TEST_SEED"), CultureInfo.InvariantCulture, out var seed) ? seed : 16;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Killed_at_any_point_copies_go_on_pulls_are_served_and_the_next_run_frees_the_rest()
    {
        await using var world = await FetcherWorld.Start();
        await world.StartFetcher();
        var random = new Random(Seed);
        var images = new List<(string Name, TestImage Content)> { await Cache(world, 0), await Cache(world, 1) };
        var garbage = await PushGarbage(world.Cache, 300);
        Assert.All(garbage, digest => Assert.True(IsOnDisk(world.Cache, digest)));
        using var enough = new CancellationTokenSource();
        var pulls = PullOnAndOn(world, images[0], enough.Token);

        for (var run = 2; run < 6; run++)
        {
            var collector = await StartCollector(world);
            await Eventually.True(() => collector.Log.Contains("Garbage collection started", StringComparison.Ordinal), "it has the lease");
            await Task.Delay(random.Next(120), Stop);
            collector.Kill();
            var killed = Stopwatch.GetTimestamp();
            images.Add(await Cache(world, run));
            var took = Stopwatch.GetElapsedTime(killed);
            Assert.True(took < Promised, $"a copy took {took} after run {run} was killed (seed {Seed})");
        }
        var last = await StartCollector(world);

        Assert.True(await last.Ended() == 0, last.Log);
        await enough.CancelAsync();
        Assert.True(await pulls > 0);
        foreach (var image in images)
            await AssertWhole(world, image);
        Assert.DoesNotContain(garbage, digest => IsOnDisk(world.Cache, digest));
        images.Add(await Cache(world, 6));
        await AssertWhole(world, images[^1]);
    }

    [Fact]
    public async Task A_copy_that_is_asked_for_meanwhile_waits_and_goes_on_when_the_collection_is_stopped()
    {
        await using var world = await FetcherWorld.Start();
        await world.StartFetcher();
        var collector = await StartCollector(world, "sleep,600");
        await Eventually.True(() => collector.Log.Contains("Garbage collection started", StringComparison.Ordinal), "it has the lease");
        var (name, _) = await Request(world, 0);
        await world.Recorded<ImageFetchStarted>(name);
        Assert.DoesNotContain(await world.Events(name), fact => fact is ImageCached);

        collector.Process.Signal(15);

        Assert.Equal(75, await collector.Ended());
        await world.Recorded<ImageCached>(name);
    }

    [Fact]
    public async Task A_registry_into_which_nothing_was_ever_copied_is_skipped()
    {
        await using var world = await FetcherWorld.Start();
        Directory.CreateDirectory(world.Cache.DataFolder);

        var collector = await StartCollector(world, folder: world.Cache.DataFolder);

        Assert.True(await collector.Ended() == 0, collector.Log);
        Assert.Contains("has no repository yet", collector.Log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("true", 0)]
    [InlineData("false", 70)]
    [InlineData("no-such-program", 70)]
    public async Task The_exit_code_says_what_the_collector_said(string command, int code)
    {
        var database = await (await Postgres.Shared()).NewDatabase();
        await using var session = new LockSession(database, TimeProvider.System);

        Assert.Equal(code, await Collector(session, [command], TimeSpan.FromMinutes(1)).Collect(Stop));
    }

    [Fact]
    public async Task A_collector_that_takes_too_long_is_killed()
    {
        var database = await (await Postgres.Shared()).NewDatabase();
        await using var session = new LockSession(database, TimeProvider.System);

        Assert.Equal(75, await Collector(session, ["sleep", "601"], TimeSpan.FromSeconds(1)).Collect(Stop));

        Assert.False(IsRunning("sleep", "601"));
    }

    [Fact]
    public async Task A_collector_whose_lease_is_lost_is_killed()
    {
        var database = await (await Postgres.Shared()).NewDatabase();
        await using var session = new LockSession(database, TimeProvider.System);

        var collection = Collector(session, ["sleep", "602"], TimeSpan.FromMinutes(5)).Collect(Stop);
        await Eventually.True(() => IsRunning("sleep", "602"), "the collector runs");
        await using (var postgres = NpgsqlDataSource.Create(database))
        await using (var end = postgres.CreateCommand("""
            select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'kuik-locks' and datname = current_database()
            """))
            await end.ExecuteNonQueryAsync(Stop);

        Assert.Equal(75, await collection.WaitAsync(TimeSpan.FromSeconds(60), Stop));
        Assert.False(IsRunning("sleep", "602"));
    }

    [Fact]
    public async Task Without_Postgres_nothing_is_collected()
    {
        var nothing = $"Host=127.0.0.1;Port={FreePort.Next()};Username=none;Database=none";
        await using var session = new LockSession(nothing, TimeProvider.System);

        Assert.Equal(75, await Collector(session, ["false"], TimeSpan.FromMinutes(1)).Collect(Stop));
    }

    private static RegistryCollector Collector(LockSession session, IReadOnlyList<string> command, TimeSpan limit) => new(
        new GarbageCollectionLease(session, TimeProvider.System), new GarbageCollectionOptions(command, TimeSpan.FromSeconds(60), limit),
        TimeProvider.System, NullLogger<RegistryCollector>.Instance);

    private static Task<KuikService> StartCollector(FetcherWorld world, string? command = null, string? folder = null)
    {
        var settings = new Dictionary<string, string?>
        {
            ["ConnectionStrings:Postgres"] = world.Database,
            ["Kuik:GarbageCollection:Command"] = command ?? string.Join(',', world.Cache.CollectorCommand),
            ["Kuik:Scrub:Folder"] = folder,
        };
        var options = new KuikServiceOptions { Arguments = ["collect-garbage"], WaitFor = null, Settings = settings };
        return KuikService.Start("ImageFetcher", options);
    }

    private static async Task<(string Name, TestImage Content)> Request(FetcherWorld world, int number)
    {
        var content = TestImage.Of([TestLayer.Random(1600, 100_000), TestLayer.Random(1601 + number, 200_000)]);
        var name = await world.Origin.Push($"team/app-{number}", "1", content);
        await world.Request(name);
        return (name, content);
    }

    private static async Task<(string Name, TestImage Content)> Cache(FetcherWorld world, int number)
    {
        var image = await Request(world, number);
        await world.Recorded<ImageCached>(image.Name);
        return image;
    }

    /// <summary>Blobs that no manifest names.</summary>
    private static async Task<IReadOnlyList<string>> PushGarbage(Registry cache, int count)
    {
        using var http = cache.Client("garbage");
        var digests = new List<string>();
        for (var i = 0; i < count; i++)
        {
            var bytes = RandomNumberGenerator.GetBytes(1000);
            var digest = Digest.Sha256(bytes);
            using var begun = await http.PostAsync(new Uri("/v2/garbage/blobs/uploads/", UriKind.Relative), null, Stop);
            var location = new Uri(cache.Endpoint, begun.Headers.Location!);
            using var body = new ByteArrayContent(bytes);
            using var put = await http.PutAsync(new Uri($"{location}{(location.Query.Length > 0 ? '&' : '?')}digest={digest}"), body, Stop);
            put.EnsureSuccessStatusCode();
            digests.Add(digest);
        }
        return digests;
    }

    /// <summary>As node-proxies do, from a read-only endpoint on the same store.</summary>
    /// <returns>How often the image was pulled, whole each time.</returns>
    private static async Task<int> PullOnAndOn(FetcherWorld world, (string Name, TestImage Content) image, CancellationToken ct)
    {
        var reader = await Registry.Start(new RegistryOptions { ReadOnlyOver = world.Cache, Name = "reader" });
        var path = CachePath.Of(ImageReference.Parse(image.Name));
        using var http = reader.Client(path);
        foreach (var type in MediaTypes.Manifests)
            http.DefaultRequestHeaders.Accept.ParseAdd(type);
        var count = 0;
        for (; !ct.IsCancellationRequested; count++)
        {
            Assert.Equal(image.Content.Bytes, await http.GetByteArrayAsync(new Uri($"/v2/{path}/manifests/1", UriKind.Relative), Stop));
            foreach (var blob in image.Content.Blobs)
            {
                var bytes = await http.GetByteArrayAsync(new Uri($"/v2/{path}/blobs/{blob.Digest}", UriKind.Relative), Stop);
                Assert.Equal(blob.Digest, Digest.Sha256(bytes));
            }
        }
        return count;
    }

    private static async Task AssertWhole(FetcherWorld world, (string Name, TestImage Content) image)
    {
        Assert.Equal(image.Content.Bytes, await world.InCache(image.Name));
        foreach (var blob in image.Content.Blobs)
            Assert.Equal(blob.Digest, Digest.Sha256(await world.BlobInCache(image.Name, blob.Digest) ?? []));
    }

    // Its bytes: a collector that is killed between a file and its folder leaves the folder.
    private static bool IsOnDisk(Registry cache, string digest) =>
        File.Exists(Path.Combine(cache.DataFolder, "docker/registry/v2/blobs/sha256", digest[7..9], digest[7..], "data"));

    private static bool IsRunning(params string[] command)
    {
        foreach (var process in Process.GetProcessesByName(command[0]))
        {
            try
            {
                if (File.ReadAllText($"/proc/{process.Id}/cmdline").TrimEnd('\0') == string.Join('\0', command))
                    return true;
            }
            catch (IOException)
            {
                continue;   // it has ended meanwhile
            }
        }
        return false;
    }
}
