using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.IntegrationTests.Doctor;
using Kuik.IntegrationTests.StateMachine;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.PodWatcher;

/// <summary>What people and kubectl read off a CachedImage, on a real Kubernetes API.</summary>
[Collection(nameof(Cluster))]
public sealed class CachedImageStatusTests(Cluster cluster)
{
    private const string Image = "docker.io/library/nginx:1.27";
    private const string Name = "docker.io-library-nginx-1.27";
    private const int LongestLine = 120;

    [Fact]
    public async Task Kubectl_waits_until_an_image_is_ready_and_a_restart_rewrites_no_condition()
    {
        await using var watchers = await Watchers.In(cluster);
        var watcher = await watchers.Start();
        await watchers.Pod("web", "nginx:1.27");
        await watchers.Shows(Name, Condition("InUse"), "True");
        await watchers.Shows(Name, Condition("Ready"), "False");

        var wait = cluster.Api.Kubectl("wait", "--for=condition=Ready", $"cachedimage/{Name}", "--timeout=60s");
        await watchers.Append(Image, Started(1), Cached(1));
        Assert.Contains("condition met", await wait, StringComparison.Ordinal);

        await watchers.Shows(Name, Condition("Cached"), "True");
        Assert.Equal("True", await watchers.Field(Name, Condition("UpToDate")));
        var version = await watchers.Field(Name, ".metadata.resourceVersion");
        await watcher.Stop();
        await watchers.Start();
        await watchers.Pod("later", "redis:8");   // everything has been looked at by then
        await watchers.Shows("docker.io-library-redis-8", ".status.usedBy.count", "1");
        Assert.Equal(version, await watchers.Field(Name, ".metadata.resourceVersion"));
    }

    [Fact]
    public async Task Columns_fit_a_terminal_and_wide_ones_give_size_digest_image_retry_and_error()
    {
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();
        const string other = "registry.example.com/team-a/some-service:2026.11";
        const string otherName = "registry.example.com-team-a-some-service-2026.11";
        var now = DateTimeOffset.UtcNow;
        await watchers.Pod("web", "nginx:1.27", other);
        await watchers.Shows(otherName, ".status.usedBy.count", "1");
        await watchers.Append(Image, Started(1), Cached(1));
        await watchers.Append(other, Started(1) with { Image = other },
            new ImageFetchFailed(other, "refused", "registry.example.com refused access", false, now.AddHours(1), now) { Attempt = 1 });
        await watchers.Shows(Name, ".status.phase", "Ready");
        await watchers.Shows(otherName, ".status.phase", "ErrImagePull");

        var lines = (await cluster.Api.Kubectl("get", "cachedimages")).TrimEnd().Split('\n');
        var wide = (await cluster.Api.Kubectl("get", "cachedimages", "-o", "wide")).TrimEnd().Split('\n');

        TestContext.Current.TestOutputHelper!.WriteLine(string.Join('\n', [.. lines, .. wide]));
        Assert.Matches("^NAME +STATUS +CACHED +RETAIN +EXPIRES AT +PODS COUNT +AGE$", lines[0]);
        Assert.Equal([Name, "Ready", "true", "1"], lines[1].Split(' ', StringSplitOptions.RemoveEmptyEntries)[..4]);
        Assert.All(lines, line => Assert.InRange(line.Length, 1, LongestLine));
        Assert.Matches("AGE +SIZE +DIGEST +IMAGE +NEXT RETRY +LAST ERROR", wide[0]);
        Assert.Matches(@" 56\.3MiB +aaaaaaaaaaaa ", wide[1]);
        Assert.Contains("registry.example.com refused access", wide[2], StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_first_fifty_users_are_named_beside_the_full_count()
    {
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();
        var pods = Enumerable.Range(10, 60).Select(i => $$$"""
            {"apiVersion":"v1","kind":"Pod",
             "metadata":{"name":"web-{{{i}}}","namespace":"apps",
                         "labels":{"kuik.enix.io/managed":"true"},"annotations":{"original-image-c":"nginx:1.27"} },
             "spec":{"containers":[{"name":"c","image":"localhost:7439/nginx:1.27"}]}}
            """);
        await cluster.Api.Apply($$"""{"apiVersion":"v1","kind":"List","items":[{{string.Join(',', pods)}}]}""");

        await watchers.Shows(Name, ".status.usedBy.count", "60");

        var named = (await watchers.Field(Name, ".status.usedBy.pods[*].namespacedName")).Split(' ');
        Assert.Equal(Enumerable.Range(10, 50).Select(i => $"apps/web-{i}"), named);
        Assert.Equal("60 pods use the image.", await watchers.Field(Name, Condition("InUse", "message")));
    }

    [Fact]
    public async Task What_is_no_image_reference_is_invalid_with_the_sentence()
    {
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();
        await cluster.Api.Apply("""
            {"apiVersion":"kuik.enix.io/v1alpha1","kind":"CachedImage","metadata":{"name":"broken"},
             "spec":{"sourceImage":"Not/An:Image:At all"}}
            """);

        await watchers.Shows("broken", ".status.phase", "Invalid");

        await cluster.Api.Kubectl("wait", "--for=condition=Ready=False", "cachedimage/broken", "--timeout=10s");
        Assert.Contains("\"Not/An:Image:At all\" is not an image reference",
            await watchers.Field("broken", ".status.lastError"), StringComparison.Ordinal);
        Assert.Equal(await watchers.Field("broken", ".metadata.creationTimestamp"),
            await watchers.Field("broken", Condition("Ready", "lastTransitionTime")));
        Assert.Empty(await watchers.Events());
    }

    [Fact]
    public async Task Kuik_rebuild_beside_a_running_leader_corrects_what_is_shown_also_of_an_image_that_was_evicted()
    {
        const string redis = "docker.io/library/redis:8";
        const string redisName = "docker.io-library-redis-8";
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();
        await watchers.Pod("web", "nginx:1.27");
        await watchers.Shows(Name, ".status.phase", "Synchronizing");
        var now = DateTimeOffset.UtcNow;
        await watchers.Append(redis, new RequestedByPull(redis, now), new ImageNamed(redis, redisName, now), new ImageExpired(redis, now),
            new ImageEvictionStarted(redis, "fetcher", now, now) { Attempt = 1 }, new ImageEvicted(redis, now) { Attempt = 1 });
        await Eventually.True(async () => await watchers.Execute(
            $"select 1 from kuik.mt_doc_{ImageView.DocumentAlias} where id = 'image/{redis}' and data ->> 'stage' = 'Evicted'") is 1,
            "its end is projected");
        await watchers.Execute($"{Upkeep.Spoil(Image)}; {Upkeep.Spoil(redis)}");
        await watchers.Shows(Name, ".status.phase", "ErrImagePull");
        await watchers.Shows(redisName, ".status.phase", "Synchronizing");

        var run = await RunTool.Try(DoctorWorld.Tool, ["rebuild", "--postgres", watchers.Log]);

        Assert.True(run.ExitCode == 0, run.Output + run.Errors);
        await watchers.Shows(Name, ".status.phase", "Synchronizing");
        await watchers.Shows(redisName, ".metadata.name", "");
    }

    private static string Condition(string type, string field = "status") => $".status.conditions[?(@.type==\"{type}\")].{field}";

    private static ImageFetchStarted Started(long attempt) =>
        new(Image, "fetcher", DateTimeOffset.UtcNow.AddMinutes(2), DateTimeOffset.UtcNow) { Attempt = attempt };

    private static ImageCached Cached(long attempt) => new(
        Image, "sha256:" + new string('a', 64), "application/vnd.oci.image.index.v1+json", ["linux/amd64"], [], 59_034_828, 59_034_828, 0,
        TimeSpan.FromSeconds(3), DateTimeOffset.UtcNow)
    {
        Attempt = attempt,
    };
}
