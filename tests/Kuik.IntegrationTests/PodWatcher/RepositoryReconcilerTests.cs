using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.PodWatcher;

/// <summary>Repository resources on a real Kubernetes API.</summary>
[Collection(nameof(Cluster))]
public sealed class RepositoryReconcilerTests(Cluster cluster)
{
    private const string Name = "docker.io-library-nginx";

    [Fact]
    public async Task A_repository_counts_its_images_and_keeps_what_a_person_writes_into_it()
    {
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();

        await watchers.Pod("web", "nginx:1.27", "nginx:1.26");
        await Eventually.True(async () => await Field(".status.images") == "2", "both images are counted");
        await cluster.Api.Kubectl("patch", "repository", Name, "--type=merge", "-p", """{"spec":{"updateInterval":"1h"}}""");
        await watchers.Pod("more", "nginx:1.25");
        await Eventually.True(async () => await Field(".status.images") == "3", "the third is counted");

        Assert.Equal("docker.io/library/nginx", await Field(".spec.name"));
        Assert.Equal("1h", await Field(".spec.updateInterval"));
        Assert.Equal("01:00:00", (await watchers.Execute("select update_every::text from kuik.repositories")) as string);
        await cluster.Api.Kubectl("patch", "repository", Name, "--type=merge", "-p", """{"spec":{"updateInterval":null}}""");
        await Eventually.True(async () => await watchers.Count("RepositoryConfigured") == 2, "that it was taken back is recorded");
        Assert.Equal(("Pulling", "False"), (await Field(".status.phase"), await Field(".status.conditions[?(@.type==\"Ready\")].status")));
    }

    private async Task<string> Field(string jsonPath) =>
        (await cluster.Api.TryKubectl(["get", "repo", Name, "--ignore-not-found", "-o", $"jsonpath={{{jsonPath}}}"])).Output.Trim();
}
