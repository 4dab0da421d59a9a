using Kuik.Contracts;
using Kuik.IntegrationTests.EventLog;
using Kuik.PodWatcher;
using Kuik.Testing;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.PodWatcher;

/// <summary>Decisions about expiry, on a real cluster. The test writes the events of the services that do not run.</summary>
[Collection(nameof(Cluster))]
public sealed class ImageExpiryServiceTests(Cluster cluster)
{
    private const string Nginx = "docker.io/library/nginx:1.27";
    private const string Name = "docker.io-library-nginx-1.27";
    private static readonly DateTimeOffset Since = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task An_unused_image_expires_and_its_resource_goes_with_its_eviction()
    {
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();
        await watchers.Pod("web", "nginx:1.27");
        await watchers.Shows(Name, ".status.usedBy.count", "1");
        await watchers.DeletePod("web");
        await watchers.Shows(Name, ".status.usedBy.count", "0");

        await watchers.Append(Nginx, new ImageUnused(Nginx, Since, Since.AddDays(30)));   // long ago
        await watchers.Shows(Name, ".status.phase", "Terminating");
        await watchers.Append(Nginx, new ImageEvicted(Nginx, Since.AddDays(30)));

        await Eventually.True(async () => await watchers.Field(Name, ".metadata.name") == "", "the resource is gone");
        Assert.Equal((1, 0), (await watchers.Count("ImageExpired"), await watchers.Count("ImageForgotten")));
    }

    [Fact]
    public async Task The_resource_of_an_image_that_was_evicted_while_no_replica_led_goes_when_one_does()
    {
        await using var watchers = await Watchers.In(cluster);
        var first = await watchers.Start();
        await watchers.Pod("web", "nginx:1.27");
        await watchers.Shows(Name, ".status.usedBy.count", "1");
        await watchers.DeletePod("web");
        await watchers.Shows(Name, ".status.usedBy.count", "0");
        await watchers.Append(Nginx, new ImageUnused(Nginx, Since, Since.AddDays(30)));
        await watchers.Shows(Name, ".status.phase", "Terminating");

        first.Kill();
        await watchers.Append(Nginx, new ImageEvicted(Nginx, Since.AddDays(30)));
        await watchers.Start();

        await Eventually.True(async () => await watchers.Field(Name, ".metadata.name") == "", "the resource is gone");
    }

    [Fact]
    public async Task An_image_that_a_live_pod_uses_does_not_expire_whatever_the_log_says()
    {
        await using var watchers = await Watchers.In(cluster);
        var watcher = await watchers.Start();
        await watchers.Pod("web", "nginx:1.27");
        await watchers.Shows(Name, ".status.usedBy.count", "1");
        await watchers.Execute("delete from kuik.image_users");   // as if the watcher had been blind

        await watchers.Append(Nginx, new ImageUnused(Nginx, Since, Since));

        await Eventually.True(async () => await watchers.Count("ImageUsedAgain") == 1, "the image is used again");
        Assert.Equal(0, await watchers.Count("ImageExpired"));
        Assert.DoesNotContain(" ERROR ", watcher.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_persons_time_to_expire_is_taken_away_by_a_use_and_holds_for_an_unused_image()
    {
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();
        await cluster.Api.Apply($$$"""
            {"apiVersion":"kuik.enix.io/v1alpha1","kind":"CachedImage","metadata":{"name":"{{{Name}}}"},
             "spec":{"sourceImage":"nginx:1.27","expiresAt":"2199-01-01T00:00:00Z"}}
            """);
        await Eventually.True(async () => await watchers.Count("ImageExpirySet") == 1, "the time is recorded");

        await watchers.Pod("web", "nginx:1.27");
        await watchers.Shows(Name, ".spec.expiresAt", "");
        await watchers.DeletePod("web");
        await watchers.Shows(Name, ".status.usedBy.count", "0");
        await watchers.Append(Nginx, new ImageUnused(Nginx, DateTimeOffset.UtcNow, new(2198, 1, 1, 0, 0, 0, TimeSpan.Zero)));
        await watchers.Shows(Name, ".spec.expiresAt", "2198-01-01T00:00:00Z");
        await cluster.Api.Kubectl("patch", "cachedimage", Name, "--type=merge", "-p", """{"spec":{"expiresAt":"2026-01-01T00:00:00Z"}}""");

        await watchers.Shows(Name, ".status.phase", "Terminating");
        Assert.Equal("expires-at", await watchers.Execute("select data->>'reason' from kuik.mt_events where type = 'ImageExpired'"));
        Assert.Equal((2, 1), (await watchers.Count("ImageExpirySet"), await watchers.Count("ImageUsedAgain")));
        Assert.Equal(0, await watchers.Count("ImageExpiryRemoved"));
    }

    [Fact]
    public async Task A_persons_time_to_expire_that_is_removed_while_no_pod_watcher_leads_is_not_written_back()
    {
        await using var watchers = await Watchers.In(cluster);
        var watcher = await watchers.Start();
        await cluster.Api.Apply($$$"""
            {"apiVersion":"kuik.enix.io/v1alpha1","kind":"CachedImage","metadata":{"name":"{{{Name}}}"},
             "spec":{"sourceImage":"nginx:1.27","expiresAt":"2199-01-01T00:00:00Z"}}
            """);
        await Eventually.True(async () => await watchers.Count("ImageExpirySet") == 1, "the time is recorded");
        watcher.Kill();
        await cluster.Api.Kubectl("patch", "cachedimage", Name, "--type=merge", "-p", """{"spec":{"expiresAt":null}}""");

        await watcher.Restart();

        await Eventually.True(async () => await watchers.Count("ImageExpiryRemoved") == 1, "its removal is recorded");
        await watchers.Pod("later", "redis:8");   // what followed has been written by then
        await watchers.Shows("docker.io-library-redis-8", ".status.usedBy.count", "1");
        Assert.Equal("", await watchers.Field(Name, ".spec.expiresAt"));
        Assert.Equal((1, 1), (await watchers.Count("ImageExpirySet"), await watchers.Count("ImageExpiryRemoved")));
    }

    [Fact]
    public async Task Above_the_limit_of_the_cache_the_least_recently_used_image_expires_before_its_time()
    {
        const string redis = "docker.io/library/redis:8";
        await using var watchers = await Watchers.In(cluster);
        await watchers.Pod("web", "busybox:1");
        foreach (var (image, unused) in new[] { (Nginx, 1), (redis, 9), ("docker.io/library/busybox:1", 20) })
        {
            var since = DateTimeOffset.UtcNow.AddMinutes(-unused);
            await watchers.Append(image,
                new RequestedByPull(image, Since), Cached(image), new ImageUnused(image, since, Since.AddYears(9)));
        }

        await watchers.Start(more: ("Kuik:CacheLimit", "2kB"));   // three of 900 bytes

        await Eventually.True(async () => await watchers.Count("ImageExpired", $"image/{redis}") == 1, "the image expires");
        await watchers.Shows(Name, ".status.phase", "Ready");
        Assert.Equal("cache-limit", await watchers.Execute("select data->>'reason' from kuik.mt_events where type = 'ImageExpired'"));
        Assert.Equal(1, await watchers.Count("ImageExpired"));
    }

    [Fact]
    public async Task A_digest_that_a_tag_had_and_a_pod_still_runs_counts_against_the_limit()
    {
        var log = await MigratedDatabase.New();
        var moved = new TagMoved(Nginx, $"sha256:{Nginx}", "sha256:new", "m", [], [], 700, 0, 0, TimeSpan.Zero, Since);
        await Watchers.AppendTo(log, Nginx, new RequestedByPull(Nginx, Since), Cached(Nginx), moved);
        await using var postgres = NpgsqlDataSource.Create(log);
        await using var running = postgres.CreateCommand($"""
            insert into kuik.running_digests (image, pod_uid, digest)
            values ('{Nginx}', 'u1', 'sha256:{Nginx}'), ('{Nginx}', 'u2', 'sha256:{Nginx}'), ('{Nginx}', 'u3', 'sha256:new'),
                ('{Nginx}', 'u4', 'sha256:of-another-registry')
            """);
        await running.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);

        var sizes = await CacheLimit.Read(postgres, TestContext.Current.CancellationToken);

        Assert.Equal(
            [new CachedSize(Nginx, "sha256:new", 700, null), new CachedSize(Nginx, $"sha256:{Nginx}", 700, null)],
            sizes.OrderByDescending(size => size.Digest, StringComparer.Ordinal));
    }

    private static ImageCached Cached(string image) =>
        new(image, $"sha256:{image}", "application/vnd.oci.image.manifest.v1+json", [], [], 900, 900, 0, TimeSpan.Zero, Since);
}
