using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Flow;

[Collection(nameof(FlowCollection))]
public sealed class LostBrokerTests(FlowFixture flow)
{
    [Fact]
    public async Task A_backlog_of_twenty_requests_survives_the_loss_of_the_broker_and_its_data()
    {
        var space = await flow.Kuik.Kubernetes.NewNamespace();
        var images = new List<string>();
        for (var i = 0; i < 20; i++)
            images.Add(await flow.PushImage($"backlog/image-{i}", "1", TestImage.Small(flow.Seed())));
        var fetchers = flow.Kuik.ImageFetchers;

        // Given a backlog: everything is announced and no consumer takes it.
        foreach (var fetcher in fetchers)
            fetcher.Kill();
        for (var i = 0; i < 20; i++)
            await flow.CreatePod(space, $"pod-{i}", images[i]);
        await Eventually.True(async () => await flow.CachedImage(images[^1]) is not null, "the last request is recorded");

        await flow.Kuik.RabbitMq.Stop();
        await flow.Kuik.RabbitMq.StartWithoutData(flow.Kuik.Bus);
        await Task.WhenAll(fetchers.Select(fetcher => fetcher.Restart()));

        foreach (var image in images)
            await Eventually.True(async () => (bool?)(await flow.CachedImage(image))?["status"]?["isCached"] == true, $"{image} is cached",
                TimeSpan.FromMinutes(3));
    }
}
