using Kuik.Contracts;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.PodWatcher;

/// <summary>What <c>kubectl describe</c> shows of an image's life, on a real Kubernetes API.</summary>
[Collection(nameof(Cluster))]
public sealed class KubernetesEventsTests(Cluster cluster)
{
    private const string Image = "docker.io/library/nginx:1.27";
    private const string Name = "docker.io-library-nginx-1.27";

    [Fact]
    public async Task Describe_shows_failures_counted_the_copy_and_the_expiry_and_the_pod_is_told_once()
    {
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();
        var pod = await watchers.Pod("web", "nginx:1.27");
        await watchers.Shows(Name, ".status.usedBy.count", "1");

        await watchers.Append(Image, Started(1), Failed(1, "docker.io refused access"));
        await Describes("cachedimage", Name, @"Warning +AccessDenied +\S+ +kuik +docker\.io refused access");
        await watchers.Append(Image, Started(2), Failed(2, "docker.io refused access"));
        await Describes("cachedimage", Name, @"AccessDenied +\S+ \(x2 over \S+\) +kuik");
        await watchers.Append(Image, Started(3), Cached(3));
        await Describes("cachedimage", Name, @"Normal +Cached +\S+ +kuik +Copied in 3 s: 56\.3MiB \(linux/amd64\), 56\.3MiB of it from ");

        TestContext.Current.TestOutputHelper!.WriteLine(await cluster.Api.Kubectl("describe", "cachedimage", Name));
        var ofPod = await cluster.Api.Kubectl("describe", "pod", "-n", "apps", "web");
        Assert.Matches(@"Warning +ImageNotCached +\S+ +kuik +Kuik cannot cache nginx:1\.27: docker\.io refused access", ofPod);
        Assert.Equal("1", (await cluster.Api.Kubectl(
            "get", "events", "-n", "apps", "--field-selector=reason=ImageNotCached,involvedObject.uid=" + pod,
            "-o", "jsonpath={.items[*].count}")).Trim());

        var uid = await watchers.Field(Name, ".metadata.uid");
        await watchers.Append(Image, new ImageUnused(Image, DateTimeOffset.UtcNow.AddDays(-31), DateTimeOffset.UtcNow.AddDays(-1)),
            new ImageExpired(Image, DateTimeOffset.UtcNow) { Reason = "unused", UnusedSince = DateTimeOffset.UtcNow.AddDays(-31) });
        await Describes("cachedimage", Name, @"Normal +Expired +\S+ +kuik +No pod has used the image since");
        await watchers.Append(Image, new ImageEvicted(Image, DateTimeOffset.UtcNow));
        await Eventually.True(async () => (await cluster.Api.Kubectl("get", "events", "-n", "default",
            $"--field-selector=reason=Evicted,involvedObject.uid={uid}", "-o", "name")).Trim().Length > 0, "the eviction is reported");
        Assert.Empty(await watchers.Field(Name, ".metadata.name"));
    }

    private Task Describes(string kind, string name, string pattern) => Eventually.True(
        async () => System.Text.RegularExpressions.Regex.IsMatch((await cluster.Api.TryKubectl(["describe", kind, name])).Output, pattern),
        $"kubectl describe {kind} {name} shows {pattern}");

    private static ImageFetchStarted Started(long attempt) =>
        new(Image, "fetcher", DateTimeOffset.UtcNow.AddMinutes(2), DateTimeOffset.UtcNow) { Attempt = attempt };

    private static ImageFetchFailed Failed(long attempt, string reason) =>
        new(Image, "refused", reason, false, DateTimeOffset.UtcNow.AddHours(1), DateTimeOffset.UtcNow) { Attempt = attempt };

    private static ImageCached Cached(long attempt) => new(
        Image, "sha256:" + new string('a', 64), "application/vnd.oci.image.index.v1+json", ["linux/amd64"], [], 59_034_828, 59_034_828, 0,
        TimeSpan.FromSeconds(3), DateTimeOffset.UtcNow)
    {
        Attempt = attempt,
    };
}
