using System.Diagnostics.Metrics;
using System.Net;
using k8s;
using Kuik.Kubernetes;
using Kuik.PodWatcher;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Kuik.Tests.PodWatcher;

/// <summary>A deletion that a person makes after Kuik's own attempt failed is the person's.</summary>
public sealed class OwnDeletionsTests : IDisposable
{
    private static readonly CachedImage Resource = new() { Metadata = new ObjectMeta { Name = "nginx", Uid = "u" } };

    private readonly ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly OwnDeletions deletions = new();

    public void Dispose() => services.Dispose();

    [Fact]
    public async Task A_resource_that_kuik_deletes_is_known_when_it_is_seen_to_go()
    {
        await deletions.Delete(Api(HttpStatusCode.OK), Resource, CancellationToken.None);

        Assert.True(deletions.Contains("u"));
    }

    [Fact]
    public async Task A_deletion_that_failed_leaves_the_resource_a_persons_to_delete()
    {
        await Assert.ThrowsAsync<KubernetesApiException>(() =>
            deletions.Delete(Api(HttpStatusCode.InternalServerError), Resource, CancellationToken.None));

        Assert.False(deletions.Contains("u"));
    }

    [Fact]
    public async Task A_resource_that_was_already_gone_was_deleted_by_a_person()
    {
        await deletions.Delete(Api(HttpStatusCode.NotFound), Resource, CancellationToken.None);

        Assert.False(deletions.Contains("u"));
    }

    private RateLimitedApi Api(HttpStatusCode status)
    {
        var time = TimeProvider.System;
        var client = new k8s.Kubernetes(new KubernetesClientConfiguration { Host = "http://127.0.0.1:1" }, new Answers(status));
        var metrics = new WatcherMetrics(services.GetRequiredService<IMeterFactory>(), new ClusterObservation(time), time);
        return new RateLimitedApi(new KubernetesApi(client), new TokenBucket(100, 100, time), metrics);
    }

    private sealed class Answers(HttpStatusCode status) : DelegatingHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromResult(new HttpResponseMessage(status) { Content = new StringContent("{}"), RequestMessage = request });
    }
}
