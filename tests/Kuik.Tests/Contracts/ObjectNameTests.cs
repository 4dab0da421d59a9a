using Kuik.Contracts;
using Xunit;

namespace Kuik.Tests.Contracts;

/// <summary>Names, labels and annotation keys that kube-image-keeper v1 made: clusters that move over keep theirs.</summary>
public sealed class ObjectNameTests
{
    private const string Hex = "5b16a13a9ed9e4d1d7f1e4f5c0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3";
    private const string LongContainer = "my-incredible-and-marvelous-backend-that-rocks-so-much-that-its-name-is-too-long";

    [Theory]
    [InlineData("alpine", "docker.io-library-alpine-latest")]
    [InlineData("alpine:latest", "docker.io-library-alpine-latest")]
    [InlineData("docker.io/alpine", "docker.io-library-alpine-latest")]
    [InlineData("alpine:3.16.3", "docker.io-library-alpine-3.16.3")]
    [InlineData("index.docker.io/library/alpine:3.14", "docker.io-library-alpine-3.14")]
    [InlineData("enix/kube-image-keeper:1.0", "docker.io-enix-kube-image-keeper-1.0")]
    [InlineData("quay.io/jetstack/cert-manager-controller:v1.13.2", "quay.io-jetstack-cert-manager-controller-v1.13.2")]
    [InlineData("reg.io:5000/a/b:latest", "reg.io-5000-a-b-latest")]
    [InlineData("reg.io:5000/a/b:V1", "reg.io-5000-a-b-v1")]
    [InlineData("reg.io/a.b:1", "reg.io-a.b-1")]
    [InlineData("reg.io/a_b:1", "reg.io-a-b-1")]
    [InlineData("reg.io/aa:1_0", "reg.io-aa-1-0")]
    [InlineData("gcr.io/google-containers/pause:3.2-", "gcr.io-google-containers-pause-3.2")]
    [InlineData($"alpine@sha256:{Hex}", $"docker.io-library-alpine-sha256-{Hex}")]
    [InlineData("REG.IO/aa:1", "reg.io-aa-1")]
    public void A_CachedImage_has_the_name_v1_gave_it(string image, string name) =>
        Assert.Equal(name, ObjectName.Of(ImageReference.Parse(image)));

    [Fact]
    public void An_image_without_a_tag_has_one_name_also_when_its_host_has_a_port() =>
        Assert.Equal("reg.io-5000-a-b-latest", ObjectName.Of(ImageReference.Parse("reg.io:5000/a/b")));   // v1 took the port for a tag

    [Theory]
    [InlineData("reg.io/a/b:1", "reg.io/a-b:1")]
    [InlineData("reg.io/a/b:V1", "reg.io/a/b:v1")]
    [InlineData("gcr.io/google-containers/pause:3.2-", "gcr.io/google-containers/pause:3.2")]
    public void Two_images_that_share_a_name_have_distinct_ones_as_well(string one, string other)
    {
        var (a, b) = (ImageReference.Parse(one), ImageReference.Parse(other));

        Assert.Equal(ObjectName.Of(a), ObjectName.Of(b));
        Assert.NotEqual(ObjectName.Distinct(a), ObjectName.Distinct(b));
        Assert.Matches($@"\A{ObjectName.Of(a).Replace(".", @"\.", StringComparison.Ordinal)}-[0-9a-f]{{8}}\z", ObjectName.Distinct(a));
    }

    [Fact]
    public void A_name_that_is_too_long_is_cut_and_stays_distinct()
    {
        var repository = "reg.io/" + string.Join('/', Enumerable.Repeat("abcdefg", 31));
        var (a, b) = (ImageReference.Parse($"{repository}:{new string('a', 100)}"),
            ImageReference.Parse($"{repository}:{new string('a', 99)}b"));

        Assert.All([a, b], image => Assert.InRange(ObjectName.Of(image).Length, 200, ObjectName.Longest));
        Assert.NotEqual(ObjectName.Of(a), ObjectName.Of(b));
        Assert.Equal(ObjectName.Of(a), ObjectName.Distinct(a));
    }

    [Fact]
    public void A_repositorys_name_is_never_longer_than_Kubernetes_allows()
    {
        var longest = ImageReference.Parse("reg.io/" + new string('a', 248));

        Assert.InRange(ObjectName.OfRepository(longest).Length, 1, ObjectName.Longest);
        Assert.Equal("docker.io-library-alpine", ObjectName.OfRepository(ImageReference.Parse("alpine:3")));
    }

    [Theory]
    [InlineData("docker.io/library/alpine", "docker.io-library-alpine")]
    [InlineData("some-gitlab-registry.com:5000/group/another-group/project/backend:v1.0.0",
        "some-gitlab-registry.com-5000-group-another-group-project-backend-v1.0.0")]
    [InlineData("abc123!@#$%*()_+[]{}\\|\".,></?-=", "abc123")]
    [InlineData("abc123++@++yx.z", "abc123-yx.z")]
    [InlineData("abc123++.++yxz", "abc123-yxz")]
    [InlineData("abcEFG-foo#bar", "abcefg-foo-bar")]
    public void A_text_is_sanitised_as_v1_did(string text, string name) => Assert.Equal(name, ObjectName.Sanitise(text));

    [Theory]
    [InlineData("alpine", "docker.io-library-alpine")]
    [InlineData("quay.io/jetstack/cert-manager-controller:v1.13.2", "quay.io-jetstack-cert-manager-controller")]
    [InlineData("rancher/mirrored-prometheus-operator-prometheus-operator", "a01bb024da5c0169e47783d4a8e84405604bdd287a718af0d2c96861")]
    [InlineData("rancher/mirrored-prometheus-operator-prometheus-opera", "docker.io-rancher-mirrored-prometheus-operator-prometheus-opera")]
    [InlineData("rancher/mirrored-prometheus-operator-prometheus-operat", "06ae73f4f9d72fc4ba90adba22a8185029d91484e1663569c215dd0a")]
    public void The_repository_label_is_the_name_or_its_SHA224_as_in_v1(string image, string label) =>
        Assert.Equal(label, ObjectName.RepositoryLabel(ImageReference.Parse(image)));

    [Theory]
    [InlineData("backend", "original-image-backend")]
    [InlineData("my-incredible-and-marvelous-backend-that-rocks-s", "original-image-my-incredible-and-marvelous-backend-that-rocks-s")]
    [InlineData("my-incredible-and-marvelous-backend-that-rocks-so", "original-image-18bbab2679313e5f5e01e371538acb859ead4b32")]
    public void A_containers_annotation_is_keyed_by_its_name_or_the_names_SHA1_as_in_v1(string container, string key) =>
        Assert.Equal(key, Names.OriginalImageAnnotation(container));

    [Theory]
    [InlineData("backend", "original-init-image-backend")]
    [InlineData("my-incredible-and-marvelous-backend-that-ro", "original-init-image-my-incredible-and-marvelous-backend-that-ro")]
    public void So_is_an_init_containers(string container, string key) => Assert.Equal(key, Names.OriginalInitImageAnnotation(container));

    [Fact]
    public void An_annotation_key_is_never_longer_than_Kubernetes_allows()
    {
        Assert.Matches(@"\Aoriginal-image-[0-9a-f]{40}\z", Names.OriginalImageAnnotation(LongContainer));
        Assert.Matches(@"\Aoriginal-init-image-[0-9a-f]{40}\z",
            Names.OriginalInitImageAnnotation("my-incredible-and-marvelous-backend-that-roc"));
    }

    [Theory]   // FIPS 180-4's examples
    [InlineData("", "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f")]
    [InlineData("abc", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7")]
    [InlineData("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "75388b16512776cc5dba5da1fd890150b0c6455cb4f58b1952522525")]
    public void SHA224_of_known_texts(string text, string hex) => Assert.Equal(hex, Sha224.Hex(text));

    [Theory]
    [InlineData(55, "fb0bd626a70c28541dfa781bb5cc4d7d7f56622a58f01a0b1ddd646f")]
    [InlineData(56, "d40854fc9caf172067136f2e29e1380b14626bf6f0dd06779f820dcd")]
    [InlineData(63, "1d4e051f4d6fed2a63fd2421e65834cec00d64456553de3496ae8b1d")]
    [InlineData(64, "a88cd5cde6d6fe9136a4e58b49167461ea95d388ca2bdb7afdc3cbf4")]
    [InlineData(65, "ff8716f600af42959d0efb52e1f21b01bb328733009344d511c299fb")]
    [InlineData(1000, "4e8f0ce90b64661a2b5e84be6d93a7d9b76871062f1814433d04a03d")]
    public void SHA224_of_a_text_at_the_edges_of_its_padding(int length, string hex) =>
        Assert.Equal(hex, Sha224.Hex(new string('a', length)));
}
