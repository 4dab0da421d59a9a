using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.PodWatcher;

/// <summary>Objects of v1, whose controllers are gone, on a real Kubernetes API with the rights that pod-watcher has.</summary>
[Collection(nameof(Cluster))]
public sealed class V1FinalizersTests(Cluster cluster)
{
    [Fact]
    public async Task Objects_of_v1_lose_its_finalizer_and_those_that_are_being_deleted_go()
    {
        await using var watchers = await Watchers.In(cluster);
        await cluster.Api.Apply($$"""
            {"apiVersion":"v1","kind":"List","items":[
             {{Object("CachedImage", "docker.io-library-nginx-1.27", "cachedimage", """{"sourceImage":"nginx:1.27"}""")}},
             {{Object("CachedImage", "docker.io-library-redis-8", "cachedimage", """{"sourceImage":"redis:8"}""", "example.com/other")}},
             {{Object("Repository", "docker.io-library-nginx", "repository", """{"name":"docker.io/library/nginx"}""")}},
             {{Object("Repository", "docker.io-library-busybox", "repository", """{"name":"docker.io/library/busybox"}""")}},
             {{Object("Repository", "another-name", "repository", """{"name":"docker.io/library/alpine"}""")}}]}
            """);
        await cluster.Api.Kubectl("delete", "--wait=false",
            "cachedimage/docker.io-library-nginx-1.27", "repository/docker.io-library-busybox", "repository/another-name");

        try
        {
            await watchers.Start();
            await Check(watchers);
        }
        finally
        {
            await cluster.Api.Kubectl("patch", "cachedimage", "docker.io-library-redis-8", "--type=merge", "-p", """{"metadata":{"finalizers":null}}""");
        }
    }

    private async Task Check(Watchers watchers)
    {
        await Eventually.True(
            async () => await Finalizers("cachedimage", "docker.io-library-nginx-1.27") is null, "the deleted CachedImage is gone");
        await Eventually.True(async () => await Finalizers("repo", "docker.io-library-busybox") is null, "the deleted Repository is gone");
        await Eventually.True(async () => await Finalizers("repo", "another-name") is null, "the one with a name of its own is gone too");
        await Eventually.True(
            async () => await Finalizers("repo", "docker.io-library-nginx") == "", "the other Repository has no finalizer");
        await Eventually.True(
            async () => await Finalizers("cachedimage", "docker.io-library-redis-8") == "example.com/other",
                "the other CachedImage has the foreign one");
        Assert.Equal((0, 1),
            (await watchers.Count("RequestedByPerson", "image/docker.io/library/nginx"), await watchers.Count("RequestedByPerson")));
    }

    /// <returns>Separated by commas; null when there is no such object.</returns>
    private async Task<string?> Finalizers(string kind, string name)
    {
        var found = await cluster.Api.Kubectl("get", kind, name, "--ignore-not-found", "-o", "jsonpath={.kind}:{.metadata.finalizers[*]}");
        return found.Trim() is { Length: > 0 } text ? text[(text.IndexOf(':', StringComparison.Ordinal) + 1)..].Replace(' ', ',') : null;
    }

    private static string Object(string kind, string name, string prefix, string spec, string? other = null)
    {
        string[] finalizers = [$"{prefix}.kuik.enix.io/finalizer", .. other is null ? Array.Empty<string>() : [other]];
        return $$$"""
            {"apiVersion":"kuik.enix.io/v1alpha1","kind":"{{{kind}}}","spec":{{{spec}}},
             "metadata":{"name":"{{{name}}}","finalizers":["{{{string.Join("\",\"", finalizers)}}}"]} }
            """;
    }
}
