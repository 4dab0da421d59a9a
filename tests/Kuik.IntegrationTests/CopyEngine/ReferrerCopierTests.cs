using System.Net;
using System.Text.Json;
using Kuik.Contracts;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.IntegrationTests.NodeProxy;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;
using static Kuik.IntegrationTests.CopyEngine.OddManifests;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>Signatures, attestations and SBOMs follow their image into the cache, and leave it with their image.</summary>
public class ReferrerCopierTests
{
    private static readonly (string Key, string Value) WithReferrers = ("Kuik:Fetch:Referrers", "true");

    [Fact]
    public async Task What_clients_look_for_beside_an_image_is_served_by_node_proxy_with_the_origin_stopped()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var index = TestIndex.Small(seed: 150);
        var name = await origin.Push("team/web", "1", index);
        var signature = await Attach(origin, index.Digest, ".sig");
        var attestation = await Attach(origin, index.Child("linux/amd64").Digest, ".att");
        var bom = await Attach(origin, index.Child("linux/amd64").Digest, ".sbom");
        var (list, referrers) = await Refer(origin, index.Digest, "one", "two");
        await using var engine = await StartEngine.Run(cache, [origin.Host], null, WithReferrers);
        var proxy = await StartNodeProxy.With(cache.Endpoint);

        await engine.Copy(name);
        await origin.Stop();

        foreach (var (subject, ending, referrer) in new[] { (index.Digest, ".sig", signature),
            (index.Child("linux/amd64").Digest, ".att", attestation), (index.Child("linux/amd64").Digest, ".sbom", bom) })
            Assert.Equal(referrer.Bytes, await Get(proxy, name, $"manifests/{TagOf(subject)}{ending}"));
        Assert.Equal(list, await Get(proxy, name, $"manifests/{TagOf(index.Digest)}"));
        Assert.Equal(list, await Get(proxy, name, $"referrers/{index.Digest}"));
        foreach (var referrer in referrers.Append(signature).Append(attestation).Append(bom))
        {
            Assert.Equal(referrer.Bytes, await Get(proxy, name, $"manifests/{referrer.Digest}"));
            Assert.Equal(referrer.Layers[0].Bytes, await Get(proxy, name, $"blobs/{referrer.Layers[0].Digest}"));
        }
        Assert.Equal("""["1"]""", JsonDocument.Parse((await Get(proxy, name, "tags/list"))!).RootElement.GetProperty("tags").GetRawText());
        Assert.Empty(DigestsIn(await Get(proxy, name, $"referrers/{index.Child("linux/amd64").Digest}")));
    }

    [Fact]
    public async Task Copied_again_an_image_gets_what_was_added_and_no_byte_is_fetched_twice()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var image = TestImage.Small(seed: 151);
        var name = await origin.Push("team/web", "1", image);
        await Attach(origin, image.Digest, ".sig");
        await Refer(origin, image.Digest, "one");
        await using var engine = await StartEngine.Run(cache, [origin.Host], null, WithReferrers);
        await engine.Copy(name);
        var attestation = await Attach(origin, image.Digest, ".att");
        var (list, referrers) = await Refer(origin, image.Digest, "one", "two");

        await engine.Copy(name);

        Assert.Equal(attestation.Bytes, (await cache.Manifest(name, Hidden(image.Digest, ".att")))?.Bytes);
        Assert.Equal(list, (await cache.Manifest(name, Hidden(image.Digest)))?.Bytes);
        Assert.Equal(referrers[1].Bytes, (await cache.Manifest(name, referrers[1].Digest))?.Bytes);
        Assert.All(origin.BlobDownloads().Values, times => Assert.Equal(1, times));
    }

    // Scripted, because distribution has no referrers API.
    [Fact]
    public async Task Referrers_that_only_the_API_lists_follow_too_all_pages_of_them()
    {
        var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 152);
        var name = origin.Add("team/web", "1", image);
        TestImage[] referrers = [Artifact(image.Digest, "one"), Artifact(image.Digest, "two")];
        foreach (var referrer in referrers)
            origin.Add("team/web", referrer.Digest, referrer);
        var first = $"/v2/team/web/referrers/{image.Digest}";
        origin.Script = request =>
            request.Path == first ? Page(Index(Entry(referrers[0], null)), $"<{first}?last=1>; rel=\"next\"")
            : request.Path == first + "?last=1" ? Page(Index(Entry(referrers[1], null)))
            : null;
        await using var engine = await StartEngine.Run(cache, [origin.Host], null, WithReferrers);
        var proxy = await StartNodeProxy.With(cache.Endpoint);

        await engine.Copy(name);
        await origin.DisposeAsync();

        foreach (var path in new[] { $"referrers/{image.Digest}", $"manifests/{TagOf(image.Digest)}" })
            Assert.Equal(referrers.Select(referrer => referrer.Digest), DigestsIn(await Get(proxy, name, path)));
        foreach (var referrer in referrers)
            Assert.Equal(referrer.Bytes, await Get(proxy, name, $"manifests/{referrer.Digest}"));
    }

    [Fact]
    public async Task Without_the_option_no_origin_is_asked_for_referrers()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 153);
        var name = origin.Add("team/web", "1", image);
        origin.Add("team/web", TagOf(image.Digest) + ".sig", Artifact(null, "signature"));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);

        await engine.Copy(name);

        Assert.DoesNotContain(origin.Ledger,
            request => request.Path.Contains("/referrers/", StringComparison.Ordinal)
                || request.Target.StartsWith("sha256-", StringComparison.Ordinal));
    }

    // Scripted, because no real registry has a broken manifest under one tag only.
    [Fact]
    public async Task A_referrer_that_cannot_be_had_fails_neither_its_image_nor_another_referrer()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 154);
        var name = origin.Add("team/web", "1", image);
        var (gone, kept, bom) = (Artifact(image.Digest, "its layer is gone"), Artifact(image.Digest, "kept"), Artifact(null, "bom"));
        var (list, noJson) = (Index(Entry(gone, null), Entry(kept, null)), "no JSON"u8.ToArray());
        origin.AddManifest("team/web", gone.Digest, gone.MediaType, gone.Bytes);
        origin.Add("team/web", kept.Digest, kept);
        foreach (var target in new[] { TagOf(image.Digest), TestBlob.DigestOf(list) })
            origin.AddManifest("team/web", target, MediaTypes.OciIndex, list);
        foreach (var target in new[] { TagOf(image.Digest) + ".sig", TestBlob.DigestOf(noJson) })
            origin.AddManifest("team/web", target, MediaTypes.OciManifest, noJson);
        origin.Add("team/web", TagOf(image.Digest) + ".sbom", bom);
        origin.Script = request => request.Target == TagOf(image.Digest) + ".att" ? Misbehave.Answer(500) : null;
        await using var engine = await StartEngine.Run(cache, [origin.Host], null, WithReferrers);

        await engine.Copy(name);

        await cache.AssertHas(name, image);
        Assert.Equal(kept.Bytes, (await cache.Manifest(name, kept.Digest))?.Bytes);
        Assert.Equal(bom.Bytes, (await cache.Manifest(name, Hidden(image.Digest, ".sbom")))?.Bytes);
        Assert.Null(await cache.Manifest(name, gone.Digest));
    }

    // Scripted, because no real registry limits its rate on command.
    [Fact]
    public async Task An_origin_that_wants_fewer_requests_is_asked_for_no_further_referrers()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 155);
        var name = origin.Add("team/web", "1", image);
        origin.Script = request => request.Path.Contains("/referrers/", StringComparison.Ordinal) ? Misbehave.Answer(429) : null;
        await using var engine = await StartEngine.Run(cache, [origin.Host], null, WithReferrers);

        await engine.Copy(name);

        await cache.AssertHas(name, image);
        Assert.DoesNotContain(origin.Ledger, request => request.Target.StartsWith("sha256-", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_referrer_that_is_missing_is_not_asked_for_with_every_credential()
    {
        var origin = await Registry.Start(new RegistryOptions { Credentials = ("robot", "secret") });
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 156);
        var name = await origin.Push("team/web", "1", image);
        await using var engine = await StartEngine.Run(cache, [origin.Host], null, WithReferrers);
        engine.Credentials.Enqueue(new RegistryCredential("robot", "secret"));
        engine.Credentials.Enqueue(new RegistryCredential("robot", "another"));

        await engine.Copy(name);

        Assert.DoesNotContain(origin.Requests().GroupBy(request => request.Path),
            asked => asked.Key.Contains("sha256-", StringComparison.Ordinal) && asked.Count(request => request.Status != 401) > 1);
        Assert.DoesNotContain(origin.Requests(),
            request => request.Path.EndsWith(".sig", StringComparison.Ordinal) && request.Status == 401);
    }

    [Fact]
    public async Task Referrers_leave_with_the_last_image_that_has_them_and_those_of_others_stay()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var (shared, own) = (TestImage.Small(seed: 157), TestImage.Small(seed: 158));
        var names = new[] { await origin.Push("team/web", "1", shared), await origin.Push("team/web", "2", shared),
            await origin.Push("team/web", "3", own) };
        var (ofShared, ofOwn) = (await Attach(origin, shared.Digest, ".sig"), await Attach(origin, own.Digest, ".sig"));
        var (_, referrers) = await Refer(origin, own.Digest, "of own");
        await using var engine = await StartEngine.Run(cache, [origin.Host], null, WithReferrers);
        foreach (var name in names)
            await engine.Copy(name);

        await Evict(engine, names[0]);
        await Evict(engine, names[2]);
        await cache.CollectGarbage(deleteUntagged: true);

        await cache.AssertHas(names[1], shared);
        Assert.Equal(ofShared.Bytes, (await cache.Manifest(names[1], Hidden(shared.Digest, ".sig")))?.Bytes);
        Assert.Equal(ofShared.Layers[0].Bytes, await cache.Blob(names[1], ofShared.Layers[0].Digest));
        Assert.Equal(
            new[] { "2", CacheTags.OfManifest(shared.Digest), CacheTags.OfManifest(ofShared.Digest),
                Hidden(shared.Digest, ".sig") }.Order(StringComparer.Ordinal), await cache.Tags(names[0]));
        foreach (var gone in referrers.Append(ofOwn))
            Assert.Null(await cache.Blob(names[0], gone.Layers[0].Digest));
        await Evict(engine, names[1]);
        Assert.Empty(await cache.Tags(names[0]));
    }

    [Fact]
    public async Task A_referrer_that_was_requested_by_its_tag_is_kept_and_evicted_independently_of_the_image()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var image = TestImage.Small(seed: 159);
        var name = await origin.Push("team/web", "1", image);
        var signature = await Attach(origin, image.Digest, ".sig");
        var byName = $"{origin.Host}/team/web:{TagOf(image.Digest)}.sig";
        await using var engine = await StartEngine.Run(cache, [origin.Host], null, WithReferrers);
        await engine.Copy(name);
        await engine.Copy(byName);

        await Evict(engine, name);
        await cache.AssertHas(byName, signature);
        Assert.Equal(new[] { $"{TagOf(image.Digest)}.sig", CacheTags.OfManifest(signature.Digest) }.Order(StringComparer.Ordinal),
            await cache.Tags(name));

        await engine.Copy(name);
        await Evict(engine, byName);
        Assert.Null(await cache.Manifest(byName));
        Assert.Equal(signature.Bytes, (await cache.Manifest(name, Hidden(image.Digest, ".sig")))?.Bytes);
        Assert.All(origin.BlobDownloads().Values, times => Assert.Equal(1, times));
    }

    [Fact]
    public async Task A_referrer_is_pulled_through_from_the_cache_when_node_proxy_did_not_find_it()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var image = TestImage.Small(seed: 160);
        var name = await origin.Push("team/web", "1", image);
        var signature = await Attach(origin, image.Digest, ".sig");
        await using var engine = await StartEngine.Run(cache, [origin.Host], null, WithReferrers);
        await engine.Copy(name);
        await origin.Stop();
        using var client = engine.Client();

        using var answer = await client.Ask(HttpMethod.Get, name, $"manifests/{TagOf(image.Digest)}.sig");

        Assert.Equal(signature.Bytes, await answer.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken));
        Assert.Empty(engine.Pulls);
    }

    [Fact]
    public async Task A_tag_that_the_cache_keeps_for_itself_is_not_cached()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var image = TestImage.Small(seed: 161);
        var name = await origin.Push("team/web", CacheTags.OfPin(image.Digest), image);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);

        var failure = await Assert.ThrowsAsync<CopyException>(() => engine.Copy(name));

        Assert.Equal((CopyException.Cache, false), (failure.Kind, failure.RetryHelps));
        Assert.Contains("keeps for itself", failure.Message, StringComparison.Ordinal);
    }

    private static string TagOf(string digest) => digest.Replace(':', '-');

    private static string Hidden(string subject, string ending = "") => CacheTags.OfCopiedReferrer(TagOf(subject) + ending)!;

    private static Task Evict(StartEngine engine, string name) =>
        engine.TagEviction.Evict(ImageReference.Parse(name), TestContext.Current.CancellationToken);

    /// <summary>Attaches as cosign does.</summary>
    private static async Task<TestImage> Attach(Registry origin, string subject, string ending)
    {
        var referrer = Artifact(null, $"{ending} of {subject}");
        await origin.Push("team/web", TagOf(subject) + ending, referrer);
        return referrer;
    }

    /// <summary>Attaches as the referrers tag schema says.</summary>
    private static async Task<(byte[] List, TestImage[] Referrers)> Refer(Registry origin, string subject, params string[] texts)
    {
        TestImage[] referrers = [.. texts.Select(text => Artifact(subject, text))];
        foreach (var referrer in referrers)
            await origin.Push("team/web", null, referrer);
        var list = Index([.. referrers.Select(referrer => Entry(referrer, null))]);
        using var http = origin.Client("team/web");
        await PushImage.PushManifest(http, "team/web", TagOf(subject), MediaTypes.OciIndex, list);
        return (list, referrers);
    }

    private static async Task<byte[]?> Get(KuikService proxy, string name, string path)
    {
        using var client = new HttpClient { BaseAddress = proxy.Endpoint };
        using var answer = await client.GetAsync(new Uri($"/v2/{CachePath.Of(ImageReference.Parse(name))}/{path}", UriKind.Relative),
            TestContext.Current.CancellationToken);
        return answer.StatusCode == HttpStatusCode.NotFound
            ? null
            : await answer.EnsureSuccessStatusCode().Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
    }

    private static IEnumerable<string?> DigestsIn(byte[]? index) =>
        JsonDocument.Parse(index!).RootElement.GetProperty("manifests").EnumerateArray()
            .Select(entry => entry.GetProperty("digest").GetString());

    private static Misbehaviour Page(byte[] list, string? link = null) => async (http, _) =>
    {
        http.Response.ContentType = MediaTypes.OciIndex;
        if (link is not null)
            http.Response.Headers.Link = link;
        await http.Response.Body.WriteAsync(list);
    };
}
