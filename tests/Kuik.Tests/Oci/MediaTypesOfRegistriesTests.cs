using System.Buffers.Text;
using System.Text;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Oci;

/// <summary>Manifests under types that are not theirs, under digests that are not theirs, and of a schema that is no more.</summary>
public sealed class MediaTypesOfRegistriesTests : IAsyncLifetime
{
    private readonly TestImage image = TestImage.Small(seed: 1);
    private ScriptedOrigin origin = null!;
    private RegistryClient client = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private RegistryRepository Web => new(origin.Host, "team/web");

    public async ValueTask InitializeAsync()
    {
        origin = await ScriptedOrigin.Start();
        client = new RegistryClient(new RegistryEndpoints([$"http://{origin.Host}"]), [], TimeProvider.System);
    }

    public ValueTask DisposeAsync()
    {
        client.Dispose();
        return origin.DisposeAsync();
    }

    [Theory]
    [InlineData("text/plain")]
    [InlineData("text/plain; charset=utf-8")]
    [InlineData("application/json;charset=ISO-8859-1")]
    [InlineData("application/octet-stream")]
    [InlineData("binary/octet-stream")]
    [InlineData("application/x-json")]
    [InlineData("APPLICATION/VND.OCI.IMAGE.MANIFEST.V1+JSON")]
    [InlineData(MediaTypes.OciManifest + "; charset=utf-8")]
    [InlineData("application/vnd.docker.container.image.v1+json")]
    [InlineData(MediaTypes.DockerManifest)]
    [InlineData(MediaTypes.OciIndex)]
    [InlineData("text/html")]
    [InlineData("garbage")]
    [InlineData("")]
    public async Task A_manifest_has_the_type_that_it_says_itself_whatever_was_served(string served)
    {
        Serve(image.Bytes, served);

        var manifest = await client.GetManifest(Web, "1", null, Stop);

        Assert.Equal((image.MediaType, image.Digest), (manifest.MediaType, manifest.Digest));
        Assert.NotEmpty(ReadManifest.Parts(manifest));
    }

    [Theory]
    [InlineData("""{"config":{},"layers":[]}""", MediaTypes.DockerManifest, MediaTypes.OciManifest)]
    [InlineData("""{"config":{},"layers":[]}""", MediaTypes.OciIndex, MediaTypes.OciManifest)]
    [InlineData("""{"manifests":[]}""", "application/json", MediaTypes.OciIndex)]
    [InlineData("""{"manifests":[]}""", MediaTypes.OciManifest, MediaTypes.OciIndex)]
    [InlineData("""{"mediaType":"application/VND.oci.image.index.v1+json","manifests":[]}""", "text/plain", MediaTypes.OciIndex)]
    [InlineData("""{"mediaType":"application/vnd.oci.artifact.manifest.v1+json","blobs":[]}""",
        "application/vnd.oci.artifact.manifest.v1+json", "application/vnd.oci.artifact.manifest.v1+json")]
    [InlineData("""{"mediaType":7,"layers":[]}""", "text/plain", MediaTypes.OciManifest)]
    [InlineData("{}", MediaTypes.OciIndex, MediaTypes.OciIndex)]
    [InlineData("not JSON", MediaTypes.OciManifest, MediaTypes.OciManifest)]
    public async Task A_manifest_that_does_not_name_its_type_has_the_one_that_it_looks_like(string manifest, string served, string type)
    {
        Serve(Encoding.UTF8.GetBytes(manifest), served);

        Assert.Equal(type, (await client.GetManifest(Web, "1", null, Stop)).MediaType);
    }

    [Theory]
    [InlineData("{}", "application/json")]
    [InlineData("[]", "text/plain")]
    [InlineData("hello", "text/plain")]
    [InlineData("""{"mediaType":"\ud800","layers":[]}""", "application/json")]
    [InlineData("""{"mediaType":"application/vnd.oci.image.config.v1+json"}""", "application/json")]
    public async Task A_body_that_is_no_manifest_is_refused(string body, string served)
    {
        Serve(Encoding.UTF8.GetBytes(body), served);

        var error = await Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(Web, "1", null, Stop));

        Assert.Equal((RegistryErrorKind.Broken, false), (error.Kind, error.IsTransient));
        Assert.EndsWith($"a body of the type {served} came that is no manifest", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_index_that_lists_nothing_is_told_in_words() =>
        Assert.EndsWith("cannot be read: it has no property \"manifests\" where one has to be", Assert.Throws<CopyException>(() =>
            ReadManifest.Entries(new Manifest("{}"u8.ToArray(), MediaTypes.OciIndex, image.Digest))).Message, StringComparison.Ordinal);

    [Fact]
    public async Task By_tag_the_digest_of_another_representation_is_ignored_and_by_digest_it_is_not_believed()
    {
        var wrong = "sha256:" + new string('a', 64);
        Serve(image.Bytes, image.MediaType, wrong);

        Assert.Equal(image.Digest, (await client.GetManifest(Web, "1", null, Stop)).Digest);
        Assert.Equal(image.Digest, (await client.GetManifest(Web, image.Digest, null, Stop)).Digest);
        var error = await Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(Web, wrong, null, Stop));
        Assert.EndsWith($"the body's digest is {image.Digest}, not {wrong}", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(MediaTypes.DockerSchema1Signed)]
    [InlineData("application/json")]
    public async Task Schema_1_is_served_as_it_is_under_the_digest_of_its_payload(string served)
    {
        var (signed, payload) = Schema1();
        Serve(signed, served);

        foreach (var target in new[] { "1", TestBlob.DigestOf(payload), TestBlob.DigestOf(signed) })
        {
            var manifest = await client.GetManifest(Web, target, null, Stop);
            Assert.Equal((MediaTypes.DockerSchema1Signed, target == "1" ? TestBlob.DigestOf(payload) : target),
                (manifest.MediaType, manifest.Digest));
            Assert.Equal(signed, manifest.Bytes);
        }
        var refusal = Assert.Throws<CopyException>(() =>
            ReadManifest.Parts(new Manifest(signed, MediaTypes.DockerSchema1Signed, TestBlob.DigestOf(payload))));
        Assert.Contains("is of Docker's schema 1, which cache registries do not store", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"fsLayers":[],"signatures":[{"protected":"!"}]}""")]
    [InlineData("""{"fsLayers":[],"signatures":[]}""")]
    [InlineData("""{"fsLayers":[],"signatures":[{"protected":"eyJmb3JtYXRMZW5ndGgiOjk5OTk5OSwiZm9ybWF0VGFpbCI6IiJ9"}]}""")]
    [InlineData("""{"fsLayers":[],"signatures":7}""")]
    public void A_signature_that_cannot_be_read_signs_nothing(string manifest) =>
        Assert.Equal(TestBlob.DigestOf(Encoding.UTF8.GetBytes(manifest)), ManifestDigest.Compute(Encoding.UTF8.GetBytes(manifest)));

    /// <summary>A signed manifest as distribution writes it, and what its digest is of.</summary>
    private static (byte[] Signed, byte[] Payload) Schema1()
    {
        const string Begin = "{\n   \"schemaVersion\": 1,\n   \"name\": \"team/web\",\n   \"tag\": \"1\",\n   \"fsLayers\": []";
        var format = Base64Url.EncodeToString(
            Encoding.UTF8.GetBytes(
                $$"""{"formatLength":{{Begin.Length}},"formatTail":"{{Base64Url.EncodeToString("\n}"u8)}}","time":"2015-01-01T00:00:00Z"}"""));
        var signed = $"{Begin},\n   \"signatures\": [{{\"header\": {{}}, \"signature\": \"x\", \"protected\": \"{format}\"}}]\n}}";
        return (Encoding.UTF8.GetBytes(signed), Encoding.UTF8.GetBytes(Begin + "\n}"));
    }

    private void Serve(byte[] bytes, string type, string? digest = null) => origin.Script = _ => async (http, _) =>
    {
        if (type.Length > 0)
            http.Response.ContentType = type;
        if (digest is not null)
            http.Response.Headers["Docker-Content-Digest"] = digest;
        await http.Response.Body.WriteAsync(bytes);
    };
}
