using System.Net;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Servers;

public class RegistryTests
{
    [Theory]
    [InlineData(ImageFormat.Oci)]
    [InlineData(ImageFormat.Docker)]
    public async Task An_index_and_its_images_come_back_byte_for_byte_and_outlive_a_stop_and_start(ImageFormat format)
    {
        var registry = await Registry.Start();
        var index = TestIndex.Runnable(seed: 1, format: format);
        var name = await registry.Push("team/web", "1", index);

        await registry.Stop();
        await Assert.ThrowsAsync<HttpRequestException>(() => registry.Client("team/web").GetAsync(new Uri("/v2/", UriKind.Relative)));
        await registry.Restart();

        Assert.Equal(index.Bytes, await Skopeo.InspectRaw(name));
        foreach (var child in index.Children)
        {
            Assert.Equal(child.Bytes, await Skopeo.InspectRaw($"{registry.Host}/team/web@{child.Digest}"));
            var pulled = await Skopeo.Pull(name, child.Platform);
            foreach (var blob in child.Blobs)
                Assert.Equal(blob.Bytes, await File.ReadAllBytesAsync(Path.Combine(pulled, blob.Digest["sha256:".Length..])));
        }
    }

    [Fact]
    public async Task The_access_log_counts_how_often_a_blob_was_sent()
    {
        var registry = await Registry.Start();
        var image = TestImage.Small(seed: 2);
        var name = await registry.Push("team/web", "1", image);

        await Skopeo.Pull(name);
        await Skopeo.Pull(name);

        Assert.All(image.Blobs, blob => Assert.Equal(2, registry.BlobDownloads()[blob.Digest]));
        Assert.Contains(registry.Requests(),
            request => request.Path.EndsWith(image.Layers[1].Digest, StringComparison.Ordinal)
                && request.BytesSent == image.Layers[1].Bytes.Length);
    }

    [Fact]
    public async Task With_credentials_only_their_user_may_pull()
    {
        var registry = await Registry.Start(new RegistryOptions { Credentials = ("robot", "secret:with:colons") });
        var name = await registry.Push("team/private", "1", TestImage.Small(seed: 3));

        Assert.NotEmpty(await Skopeo.InspectRaw(name, "robot:secret:with:colons"));
        await Assert.ThrowsAsync<ServerFailedException>(() => Skopeo.InspectRaw(name, "robot:wrong"));
        await Assert.ThrowsAsync<ServerFailedException>(() => Skopeo.InspectRaw(name));
    }

    [Fact]
    public async Task With_tokens_a_public_repository_is_pulled_anonymously_and_a_private_one_with_credentials()
    {
        var tokens = await TokenServer.Start(new Dictionary<string, string> { ["robot"] = "secret" });
        tokens.Public.Add("team/public");
        var registry = await Registry.Start(new RegistryOptions { Tokens = tokens });
        var open = await registry.Push("team/public", "1", TestImage.Small(seed: 4));
        var closed = await registry.Push("team/private", "1", TestImage.Small(seed: 5));

        Assert.NotEmpty(await Skopeo.InspectRaw(open));
        Assert.NotEmpty(await Skopeo.InspectRaw(closed, "robot:secret"));
        await Assert.ThrowsAsync<ServerFailedException>(() => Skopeo.InspectRaw(closed));
        await Assert.ThrowsAsync<ServerFailedException>(() => Skopeo.InspectRaw(closed, "robot:wrong"));
    }

    [Fact]
    public async Task A_read_only_registry_over_another_ones_data_sees_what_that_one_gets_and_takes_nothing_itself()
    {
        var cache = await Registry.Start();
        var reader = await Registry.Start(new RegistryOptions { ReadOnlyOver = cache });
        var image = TestImage.Small(seed: 6);

        await cache.Push("team/web", "1", image);

        Assert.Equal(image.Bytes, await Skopeo.InspectRaw($"{reader.Host}/team/web:1"));
        var refused = await Assert.ThrowsAsync<HttpRequestException>(() => reader.Push("team/web", "2", TestImage.Small(seed: 7)));
        Assert.Contains("405", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_front_passes_everything_on_counts_the_bytes_each_client_took_and_slows_answers_down()
    {
        var origin = await Registry.Start();
        var image = TestImage.Small(seed: 8, size: 3_000_000);
        await origin.Push("team/web", "1", image);
        var front = await Front.Start(origin);
        await Skopeo.Pull($"{front.Host}/team/web:1");

        await front.Limit(bytesPerSecond: 100_000);
        using var http = new HttpClient { BaseAddress = front.Endpoint };
        using (var answer = await http.GetAsync(new Uri($"/v2/team/web/blobs/{image.Layers[1].Digest}", UriKind.Relative),
            HttpCompletionOption.ResponseHeadersRead))
        {
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            var some = new byte[1000];
            await (await answer.Content.ReadAsStreamAsync()).ReadExactlyAsync(some);
        }

        var sent = await Eventually.Value(() => Task.FromResult(SentTwice(front, image.Layers[1].Digest)),
            "the front has logged the second download");
        Assert.Equal(image.Layers[1].Bytes.Length, sent.First);
        Assert.InRange(sent.Second, 1000, image.Layers[1].Bytes.Length - 1);
    }

    private static (long First, long Second)? SentTwice(Front front, string digest) =>
        front.Requests().Where(request => request.Path.EndsWith(digest, StringComparison.Ordinal)).ToList() is [var first, var second]
            ? (first.BytesSent, second.BytesSent)
            : null;
}
