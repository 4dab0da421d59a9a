using System.Net;
using System.Net.Http.Headers;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

public class PullThroughTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("manifests/1")]
    [InlineData("blobs/sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")]
    public async Task A_fault_that_is_not_foreseen_is_502_with_a_body(string path)
    {
        await using var origin = await ScriptedOrigin.Start();
        await using var engine = await StartEngine.Run(await Registry.Start(), [origin.Host]);
        engine.Fault = new FormatException("odd");
        using var client = engine.Client();

        using var answer = await client.Ask(HttpMethod.Get, $"{origin.Host}/team/web:1", path);

        Assert.Equal(HttpStatusCode.BadGateway, answer.StatusCode);
        Assert.Contains("\"code\":\"UNKNOWN\"", await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_that_is_none_is_400()
    {
        await using var engine = await StartEngine.Run(await Registry.Start(), []);
        using var client = engine.Client();

        using var answer = await client.GetAsync(new Uri("/v2/example.com_70000/x/manifests/1", UriKind.Relative),
            TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains("NAME_INVALID", await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_image_pulled_by_tag_is_served_exactly_and_kept_and_noted_once()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var index = TestIndex.Small(seed: 40);
        var name = await origin.Push("team/web", "1", index);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        using var client = engine.Client();

        // As containerd does: the tag, the index by digest, the child, its blobs.
        var child = index.Child("linux/amd64");
        var head = await client.Ask(HttpMethod.Head, name, "manifests/1");
        var byDigest = await client.Ask(HttpMethod.Get, name, "manifests/" + index.Digest);
        var childByDigest = await client.Ask(HttpMethod.Get, name, "manifests/" + child.Digest);
        var layer = await client.Ask(HttpMethod.Get, name, "blobs/" + child.Layers[1].Digest);

        Assert.Equal((HttpStatusCode.OK, index.Digest, index.MediaType, index.Bytes.Length),
            (head.StatusCode, head.Digest(), head.Type(), head.Content.Headers.ContentLength));
        Assert.Equal((index.MediaType, index.Digest), (byDigest.Type(), byDigest.Digest()));
        Assert.Equal(index.Bytes, await byDigest.Content.ReadAsByteArrayAsync(Stop));
        Assert.Equal(child.Bytes, await childByDigest.Content.ReadAsByteArrayAsync(Stop));
        Assert.Equal(child.Layers[1].Bytes, await layer.Content.ReadAsByteArrayAsync(Stop));
        await Eventually.True(async () => await cache.Manifest(name) is not null, "the image is kept");
        await cache.AssertHas(name, index, "linux/amd64");
        Assert.Equal([name], engine.Pulls);
        Assert.DoesNotContain(CacheTags.OfPin(index.Digest), await cache.Tags(name));
        Assert.All(origin.BlobDownloads().Values, times => Assert.Equal(1, times));
    }

    [Fact]
    public async Task An_image_pulled_by_its_root_digest_is_an_image_of_its_own()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var image = TestImage.Small(seed: 41);
        var name = await origin.Push("team/web", null, image);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        using var client = engine.Client();

        await client.Ask(HttpMethod.Get, name, "manifests/" + image.Digest);

        await Eventually.True(async () => (await cache.Tags(name)).Contains(CacheTags.OfPin(image.Digest)), "the image is kept by a pin");
        Assert.Equal([name], engine.Pulls);
    }

    [Fact]
    public async Task A_child_of_another_architecture_is_kept_beside_its_index_also_by_a_process_that_never_saw_that()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var index = TestIndex.Small(seed: 42);
        var name = await origin.Push("team/web", "1", index);
        await using (var before = await StartEngine.Run(cache, [origin.Host]))
            await before.Copy(name);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        using var client = engine.Client();
        var child = index.Child("linux/arm64");

        var answer = await client.Ask(HttpMethod.Get, name, "manifests/" + child.Digest);

        Assert.Equal(child.Bytes, await answer.Content.ReadAsByteArrayAsync(Stop));
        await Eventually.True(async () => await cache.Manifest(name, child.Digest) is not null, "the child is kept");
        await cache.AssertHas(name, index, "linux/amd64", "linux/arm64");
        Assert.Empty(engine.Pulls);
        Assert.DoesNotContain(CacheTags.OfPin(child.Digest), await cache.Tags(name));
    }

    [Fact]
    public async Task A_child_whose_copy_fails_for_a_moment_is_kept_without_another_request()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var index = TestIndex.Small(seed: 43);
        var name = origin.Add("team/web", "1", index);
        var child = index.Child("linux/arm64");
        origin.Script = request => request is { IsBlobDownload: true, Count: 0 } && request.Target == child.Layers[0].Digest
            ? Misbehave.Answer(503)
            : null;
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await engine.Copy(name);
        using var client = engine.Client();

        await client.Ask(HttpMethod.Get, name, "manifests/" + child.Digest);

        await Eventually.True(async () => await cache.Manifest(name, child.Digest) is not null, "the child is kept");
    }

    [Theory]
    [InlineData(0, 99, 0, 100)]
    [InlineData(1000, null, 1000, null)]
    [InlineData(null, 50, -50, null)]
    [InlineData(100, 99_999_999, 100, null)]
    public async Task A_part_of_a_blob_is_served_from_the_spool(int? from, int? to, int first, int? length)
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 43, size: 300_000);
        var name = origin.Add("team/web", "1", image);
        var layer = image.Layers[1];
        var gate = new TaskCompletionSource();
        origin.Script = request => request.IsBlobDownload && request.Target == layer.Digest
            ? Misbehave.HoldAt(layer.Bytes.Length / 2, gate.Task)
            : null;
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        using var client = engine.Client();
        var whole = client.Ask(HttpMethod.Get, name, "blobs/" + layer.Digest);   // it is on its way

        var asked = client.Ask(HttpMethod.Get, name, "blobs/" + layer.Digest, new RangeHeaderValue(from, to));
        gate.SetResult();
        var answer = await asked;

        var start = first < 0 ? layer.Bytes.Length + first : first;
        var expected = layer.Bytes.AsSpan(start, length ?? layer.Bytes.Length - start).ToArray();
        Assert.Equal(HttpStatusCode.PartialContent, answer.StatusCode);
        Assert.Equal(expected, await answer.Content.ReadAsByteArrayAsync(Stop));
        Assert.Equal(new ContentRangeHeaderValue(start, start + expected.Length - 1, layer.Bytes.Length),
            answer.Content.Headers.ContentRange);
        Assert.Equal(layer.Bytes, await (await whole).Content.ReadAsByteArrayAsync(Stop));
        Assert.Single(origin.Ledger, request => request.IsBlobDownload);
    }

    [Fact]
    public async Task Many_clients_get_a_blob_while_it_comes_in_and_the_origin_sends_it_once()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 44, size: 2_000_000);
        var name = origin.Add("team/web", "1", image);
        var layer = image.Layers[1];
        var gate = new TaskCompletionSource();
        origin.Script = request => request.IsBlobDownload ? Misbehave.HoldAt(1_000_000, gate.Task) : null;
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        using var client = engine.Client();

        var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => client.Ask(HttpMethod.Get, name, "blobs/" + layer.Digest)));
        var first = new byte[900_000];
        foreach (var answer in answers)
            await (await answer.Content.ReadAsStreamAsync(Stop)).ReadExactlyAsync(first, Stop);   // before the origin has sent all
        Assert.Equal(layer.Bytes[..first.Length], first);
        gate.SetResult();

        foreach (var answer in answers)
        {
            using var rest = new MemoryStream();
            await (await answer.Content.ReadAsStreamAsync(Stop)).CopyToAsync(rest, Stop);
            Assert.Equal(layer.Bytes[first.Length..], rest.ToArray());
        }
        Assert.Single(origin.Ledger, request => request.IsBlobDownload);
        await Eventually.True(async () => await cache.Blob(name, layer.Digest) is not null, "the blob is kept");
    }

    [Fact]
    public async Task A_client_that_leaves_does_not_stop_the_blob_from_being_kept()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 45, size: 1_000_000);
        var name = origin.Add("team/web", "1", image);
        var layer = image.Layers[1];
        var gate = new TaskCompletionSource();
        origin.Script = request => request.IsBlobDownload ? Misbehave.HoldAt(300_000, gate.Task) : null;
        await using var engine = await StartEngine.Run(cache, [origin.Host]);

        using (var client = engine.Client())
        {
            using var answer = await client.Ask(HttpMethod.Get, name, "blobs/" + layer.Digest);
            await (await answer.Content.ReadAsStreamAsync(Stop)).ReadExactlyAsync(new byte[100_000], Stop);
        }
        gate.SetResult();

        await Eventually.True(async () => await cache.Blob(name, layer.Digest) is not null, "the blob is kept");
        Assert.Equal(layer.Bytes, await cache.Blob(name, layer.Digest));
        Assert.Single(origin.Ledger, request => request.IsBlobDownload);
    }

    [Fact]
    public async Task A_broken_off_blob_is_gone_on_with_from_where_it_broke()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 46, size: 1_000_000);
        var name = origin.Add("team/web", "1", image);
        origin.Script = request => request is { IsBlobDownload: true, Count: 0 } && request.Target == image.Layers[1].Digest
            ? Misbehave.Truncate(600_000)
            : null;
        await using var engine = await StartEngine.Run(cache, [origin.Host]);

        await engine.Copy(name);

        await cache.AssertHas(name, image);
        var ranges = origin.Ledger.Where(request => request.IsBlobDownload && request.Target == image.Layers[1].Digest)
            .Select(request => request.Range).ToList();
        Assert.Equal(2, ranges.Count);
        Assert.Null(ranges[0]);
        Assert.Matches("^bytes=[1-9][0-9]*-$", ranges[1]);   // how much of it arrived is the network's business
    }

    [Theory]
    [InlineData("truncated")]
    [InlineData("corrupt")]
    [InlineData("shortened")]
    public async Task A_blob_that_does_not_match_its_digest_fails_for_every_client(string how)
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 47, size: 500_000);
        var name = origin.Add("team/web", "1", image);
        var layer = image.Layers[1];
        origin.Script = request => request.IsBlobDownload && request.Target == layer.Digest
            ? how == "truncated"
            ? Misbehave.Truncate(after: 1000)
            : how == "corrupt"
            ? Misbehave.Corrupt(at: 250_000)
            : Misbehave.Shorten(to: 400_000)
            : null;
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        using var client = engine.Client();

        var pulled = await client.TryRead(name, layer.Digest);
        var failure = await Assert.ThrowsAsync<CopyException>(() => engine.Copy(name));

        Assert.Null(pulled);
        // a dropped connection may take the head along
        Assert.Contains(failure.Kind, new[] { CopyException.Broken, CopyException.Unreachable });
        Assert.True(failure.RetryHelps);
        Assert.Null(await cache.Blob(name, layer.Digest));
        Assert.Null(await cache.Manifest(name));

        origin.Script = _ => null;
        await engine.Copy(name);
        await cache.AssertHas(name, image);
    }

    [Fact]
    public async Task A_cache_that_refuses_does_not_fail_a_pull_nor_send_each_pull_to_the_origin()
    {
        var origin = await Registry.Start();
        var cache = await Registry.Start(new RegistryOptions { ReadOnlyOver = await Registry.Start() });
        var image = TestImage.Small(seed: 48, size: 300_000);
        var name = await origin.Push("team/web", "1", image);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        using var client = engine.Client();

        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(image.Bytes, await (await client.Ask(HttpMethod.Get, name, "manifests/1")).Content.ReadAsByteArrayAsync(Stop));
            foreach (var blob in image.Blobs)
                Assert.Equal(blob.Bytes, await client.TryRead(name, blob.Digest));
        }

        Assert.All(origin.BlobDownloads().Values, times => Assert.Equal(1, times));
        var failure = await Assert.ThrowsAsync<CopyException>(() => engine.Copy(name));
        Assert.Equal(CopyException.Cache, failure.Kind);
    }

    [Fact]
    public async Task A_cache_that_is_away_does_not_fail_a_pull()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var image = TestImage.Small(seed: 49);
        var name = await origin.Push("team/web", "1", image);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        using var client = engine.Client();
        cache.Freeze();

        Assert.Equal(image.Bytes, await (await client.Ask(HttpMethod.Get, name, "manifests/1")).Content.ReadAsByteArrayAsync(Stop));
        foreach (var blob in image.Blobs)
            Assert.Equal(blob.Bytes, await client.TryRead(name, blob.Digest));
        cache.Resume();
    }

    [Fact]
    public async Task A_cache_that_takes_its_time_is_waited_for_and_what_it_has_is_not_fetched_again()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var image = TestImage.Small(seed: 51);
        var name = await origin.Push("team/web", "1", image);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await engine.Copy(name);
        using var client = engine.Client();
        cache.Freeze();

        var working = await client.AskOnce(HttpMethod.Get, name, "blobs/" + image.Layers[0].Digest);
        cache.Resume();
        var bytes = await client.TryRead(name, image.Layers[0].Digest);

        Assert.Equal(HttpStatusCode.Accepted, working.StatusCode);
        Assert.Equal(image.Layers[0].Bytes, bytes);
        Assert.All(origin.BlobDownloads(), download => Assert.Equal(1, download.Value));
    }

    [Fact]
    public async Task A_slow_origin_is_answered_with_202_until_it_answers()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 50);
        var name = origin.Add("team/web", "1", image);
        var gate = new TaskCompletionSource();
        origin.Script = request => request.Path.EndsWith("/manifests/1", StringComparison.Ordinal)
            ? Misbehave.Delay(gate.Task, image.MediaType)
            : null;
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        using var client = engine.Client();

        var working = await client.AskOnce(HttpMethod.Get, name, "manifests/1");
        gate.SetResult();
        var answer = await client.Ask(HttpMethod.Get, name, "manifests/1");

        Assert.Equal((HttpStatusCode.Accepted, "1"),
            (working.StatusCode, Assert.Single(working.Headers.GetValues(PullThrough.WorkingHeader))));
        Assert.Equal(TimeSpan.Zero, working.Headers.RetryAfter?.Delta);
        Assert.Equal(image.Bytes, await answer.Content.ReadAsByteArrayAsync(Stop));
        Assert.Single(origin.Ledger, request => request.Target == "1");
    }

    [Theory]
    [InlineData(404, HttpStatusCode.NotFound, "MANIFEST_UNKNOWN")]
    [InlineData(403, HttpStatusCode.Forbidden, "DENIED")]
    [InlineData(429, HttpStatusCode.TooManyRequests, "TOOMANYREQUESTS")]
    [InlineData(500, HttpStatusCode.BadGateway, "UNKNOWN")]
    public async Task A_refusal_of_an_origin_is_final_and_requested_once_for_all_clients(int status, HttpStatusCode answered, string code)
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var name = origin.Add("team/web", "1", TestImage.Small(seed: 51));
        origin.Script = _ => Misbehave.Answer(status, ("Retry-After", "7"));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        engine.Credentials.Enqueue(new RegistryCredential("robot", "secret"));   // there are some: nothing to wait for
        using var client = engine.Client();

        var answers = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => client.Ask(HttpMethod.Get, name, "manifests/1")));

        foreach (var answer in answers)
        {
            Assert.Equal(answered, answer.StatusCode);
            Assert.Contains($"\"{code}\"", await answer.Content.ReadAsStringAsync(Stop), StringComparison.Ordinal);
            Assert.InRange(answer.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 7);   // of a rate limit, what remains of it
        }
        // with the credential, and without where that may help
        Assert.InRange(origin.Ledger.Count(request => request.Path != "/v2/"), 1, 2);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_private_image_waits_for_the_pod_that_brings_its_credential(bool isShownAnother)
    {
        var (origin, cache) = (await Registry.Start(new RegistryOptions { Credentials = ("robot", "secret") }), await Registry.Start());
        var image = TestImage.Small(seed: 52);
        var name = await origin.Push("team/web", "1", image);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        using var client = engine.Client();
        if (isShownAnother)
            engine.Credentials.Enqueue(new RegistryCredential("cloud", "identity"));

        var working = await client.AskOnce(HttpMethod.Get, name, "manifests/1");
        engine.Credentials.Enqueue(new RegistryCredential("robot", "secret"));
        var answer = await client.Ask(HttpMethod.Get, name, "manifests/1");

        Assert.Equal(HttpStatusCode.Accepted, working.StatusCode);
        Assert.Equal(image.Bytes, await answer.Content.ReadAsByteArrayAsync(Stop));
    }

    [Fact]
    public async Task A_private_image_without_any_credential_is_refused_with_a_sentence()
    {
        var (origin, cache) = (await Registry.Start(new RegistryOptions { Credentials = ("robot", "secret") }), await Registry.Start());
        var name = await origin.Push("team/web", "1", TestImage.Small(seed: 53));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        using var client = engine.Client();

        var answer = await client.Ask(HttpMethod.Get, name, "manifests/1");

        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Contains("no pod that is known to use", await answer.Content.ReadAsStringAsync(Stop), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_spool_is_empty_when_all_is_kept_and_leftovers_of_a_crash_go_at_the_next_start()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var name = await origin.Push("team/web", "1", TestImage.Small(seed: 54, size: 1_000_000));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        var crashed = Directory.CreateDirectory(Path.Combine(engine.SpoolPath, "1-crashed"));
        await File.WriteAllTextAsync(Path.Combine(crashed.FullName, "lock"), "", Stop);
        await File.WriteAllTextAsync(Path.Combine(crashed.FullName, "0"), "half a blob", Stop);

        await engine.Copy(name);
        await using var next = await StartEngine.Run(cache, [origin.Host], null, ("Kuik:Fetch:SpoolPath", engine.SpoolPath));

        Assert.False(crashed.Exists && Directory.Exists(crashed.FullName));
        Assert.All(Directory.GetFiles(engine.SpoolPath, "*", SearchOption.AllDirectories),
            file => Assert.Equal("lock", Path.GetFileName(file)));
        Assert.Equal(2, Directory.GetDirectories(engine.SpoolPath).Length);   // the living engines' own
    }
}
