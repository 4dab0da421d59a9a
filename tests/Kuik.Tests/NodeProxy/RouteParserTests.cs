using System.Net;
using Kuik.NodeProxy;
using Xunit;

namespace Kuik.Tests.NodeProxy;

public sealed class RouteParserTests
{
    private const string Digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    private static Route Read(string path, string method = "GET", string? origin = null) =>
        RouteParser.Parse(method, path, origin, [7439, 7440], [IPAddress.Parse("10.0.0.7")]);

    [Theory]
    [InlineData("/v2/docker.io/library/nginx/manifests/1.27", "docker.io/library/nginx:1.27")]
    [InlineData("/v2/nginx/manifests/1.27", "docker.io/library/nginx:1.27")]
    [InlineData("/v2/team/app/manifests/1", "docker.io/team/app:1")]
    [InlineData("/v2/docker.io/nginx/manifests/1", "docker.io/library/nginx:1")]
    [InlineData("/v2/registry.example.com_5000/a/b/c/manifests/v1.0_x", "registry.example.com:5000/a/b/c:v1.0_x")]
    [InlineData("/v2/127.0.0.1_5000/x/manifests/" + Digest, "127.0.0.1:5000/x@" + Digest)]
    [InlineData("/v2/ghcr.io/x/manifests/manifests/1", "ghcr.io/x/manifests:1")]
    [InlineData("/v2/ghcr.io/blobs/uploads/manifests/1", "ghcr.io/blobs/uploads:1")]
    [InlineData("/v2/ghcr.io/x/tags/list/manifests/1", "ghcr.io/x/tags/list:1")]
    public void A_manifest_path_names_one_image(string path, string image) =>
        Assert.Equal(image, Assert.IsType<Route.ManifestRoute>(Read(path)).Image.ToString());

    [Fact]
    public void A_blob_path_names_one_digest_in_one_repository() =>
        Assert.Equal($"ghcr.io/a/b@{Digest}", Assert.IsType<Route.Blob>(Read($"/v2/ghcr.io/a/b/blobs/{Digest}")).Image.ToString());

    [Fact]
    public void Tags_and_referrers_are_told_apart_from_pulls()
    {
        Assert.Equal("ghcr.io/a/b", Assert.IsType<Route.Tags>(Read("/v2/ghcr.io/a/b/tags/list")).Image.Name);
        Assert.Equal(Digest, Assert.IsType<Route.Referrers>(Read($"/v2/ghcr.io/a/b/referrers/{Digest}")).Image.Digest);
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("HEAD")]
    public void The_version_check_is_answered_for_every_client(string method) => Assert.IsType<Route.Version>(Read("/v2/", method));

    [Theory]
    [InlineData("PUT", "/v2/ghcr.io/a/b/manifests/1")]
    [InlineData("POST", "/v2/ghcr.io/a/b/blobs/uploads/")]
    [InlineData("DELETE", "/v2/ghcr.io/a/b/manifests/1")]
    [InlineData("PATCH", "/v2/")]
    [InlineData("OPTIONS", "/")]
    [InlineData("get", "/v2/")]
    public void Whatever_is_not_GET_or_HEAD_is_405(string method, string path) =>
        Assert.Equal(405, Assert.IsType<Route.Refused>(Read(path, method)).Status);

    [Theory]
    [InlineData("/")]
    [InlineData("/v1/x")]
    [InlineData("/v2/_catalog")]
    [InlineData("/v2/x")]
    [InlineData("/v2/manifests/1")]
    [InlineData("/v2//manifests/1")]
    [InlineData("/v2/ghcr.io/a/manifests/")]
    [InlineData("/v2/ghcr.io/a/blobs/uploads/")]
    [InlineData("/v2/ghcr.io/a/tags/other")]
    [InlineData("/v2x/ghcr.io/a/manifests/1")]
    public void A_path_that_is_none_of_the_pull_side_is_404(string path) =>
        Assert.Equal(404, Assert.IsType<Route.Refused>(Read(path)).Status);

    [Theory]
    [InlineData("/v2/a..b/manifests/1", "NAME_INVALID")]
    [InlineData("/v2/Small/manifests/1", "NAME_INVALID")]
    [InlineData("/v2/reg.io/Foo/manifests/1", "NAME_INVALID")]
    [InlineData("/v2/reg.io/../x/manifests/1", "NAME_INVALID")]
    [InlineData("/v2/reg.io//x/manifests/1", "NAME_INVALID")]
    [InlineData("/v2/example.com_70000/x/manifests/1", "NAME_INVALID")]
    [InlineData("/v2/example.com_0/x/manifests/1", "NAME_INVALID")]
    [InlineData("/v2/reg.io/x y/manifests/1", "NAME_INVALID")]
    [InlineData("/v2/user:pass@reg.io/x/manifests/1", "NAME_INVALID")]
    [InlineData("/v2/reg.io/x/manifests/-1", "TAG_INVALID")]
    [InlineData("/v2/reg.io/x/manifests/sha256:12", "TAG_INVALID")]
    [InlineData("/v2/reg.io/x/blobs/latest", "DIGEST_INVALID")]
    [InlineData("/v2/reg.io/x/referrers/latest", "DIGEST_INVALID")]
    public void An_invalid_path_is_answered_400_with_the_cause(string path, string code)
    {
        var refused = Assert.IsType<Route.Refused>(Read(path));

        Assert.Equal((400, code), (refused.Status, refused.Code));
        Assert.NotEmpty(refused.Message);
    }

    [Fact]
    public void A_path_longer_than_any_name_is_404() =>
        Assert.Equal(404, Assert.IsType<Route.Refused>(Read("/v2/reg.io/" + new string('a', 600) + "/manifests/1")).Status);

    [Theory]
    [InlineData("docker.io", "library/nginx", "docker.io/library/nginx:1")]
    [InlineData("ghcr.io", "nginx", "ghcr.io/nginx:1")]
    [InlineData("127.0.0.1:5000", "a/b", "127.0.0.1:5000/a/b:1")]
    [InlineData("quay.io", "docker.io/x", "quay.io/docker.io/x:1")]
    public void A_mirror_request_names_its_origin_apart_from_the_path(string origin, string repository, string image) =>
        Assert.Equal(image, Assert.IsType<Route.ManifestRoute>(Read($"/v2/{repository}/manifests/1", origin: origin)).Image.ToString());

    [Theory]
    [InlineData("localhost:7439")]
    [InlineData("127.0.0.1:7440")]
    [InlineData("[::1]:7439")]
    [InlineData("LOCALHOST:7439")]
    [InlineData("0x7f.1:7439")]
    [InlineData("[::ffff:127.0.0.1]:7439")]
    public void A_mirror_request_for_ourselves_is_a_rewritten_image(string origin) =>
        Assert.Equal("ghcr.io/a/b:1",
            Assert.IsType<Route.ManifestRoute>(Read("/v2/ghcr.io/a/b/manifests/1", origin: origin)).Image.ToString());

    [Theory]
    [InlineData("not a host")]
    [InlineData("http://reg.io")]
    [InlineData("example.com:70000")]
    [InlineData("example.com:0")]
    [InlineData("[::1]:5000")]
    public void An_origin_that_is_no_host_is_400(string origin) =>
        Assert.Equal(400, Assert.IsType<Route.Refused>(Read("/v2/a/manifests/1", origin: origin)).Status);

    [Theory]
    [InlineData("localhost_7439")]
    [InlineData("127.0.0.1_7440")]
    [InlineData("127.1_7439")]
    [InlineData("0x7f.1_7439")]
    [InlineData("2130706433_7439")]
    [InlineData("0.0.0.0_7439")]
    [InlineData("10.0.0.7_7439")]
    public void Node_proxy_is_the_origin_of_nothing(string host) =>
        Assert.Equal(400, Assert.IsType<Route.Refused>(Read($"/v2/{host}/a/manifests/1")).Status);
}
