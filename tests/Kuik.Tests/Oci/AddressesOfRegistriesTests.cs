using System.Text;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Oci;

/// <summary>
/// Addresses that registries give are asked byte for byte: many are signed. Compared at a socket, because servers tidy up what they show.
/// </summary>
public sealed class AddressesOfRegistriesTests
{
    /// <summary>Targets below a host: path and query.</summary>
    public static TheoryData<string> Targets => new(
        "/v2/team/web/blobs/x?X=attachment%3B%20filename%3D%22a%7Eb%2Dc%22&Signature=q",
        "/%41", "/%2E", "/a%2D-b", "/%2e%2e/b", "/x/%2E%2E/b", "/%7euser", "/%5F", "/a%2Fb", "/a%2fb", "/a%2Bb", "/a%3Db", "/a=%", "/a%zz",
        "/a|b^c`{d}", "/a\"<b>", "/a\\b",
        "/'()*!", "/[1]", "//double//slash", "/x?", "/x?a=%41", "/x?a=%2E%2D%7E", "/x?a=%", "/x?a|b^c`{d}", "/x?a=b%2Fc%2B%3D", "/x?a=%2f",
        "/x?a='()*!", "/x?a=[1]", "/x?a=b/../c",
        "/x/./y", "/x/../y", "/x/", "/x?a=1&b=2+3", "/x?a=?b", "/x;v=1,2@3:4$&", "/", "/?a=b");

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Targets))]
    public async Task A_redirect_is_followed_to_where_it_says(string target)
    {
        using var storage = new RawServer((_, asked) => asked == target
            ? RawServer.Answer(200, "blob")
            : RawServer.Answer(403, "SignatureDoesNotMatch"));
        foreach (var location in new[] { $"http://{storage.Host}{target}", $"//{storage.Host}{target}",
            $"http://{storage.Host}{target}#fragment" })
        {
            using var registry = new RawServer((_, _) => RawServer.Answer(307, "", ("Location", location)));
            using var client = Client(registry, storage);

            Assert.Equal("blob", await Read(client, registry));
        }
        Assert.All(storage.Requests, request => Assert.Equal("GET " + target, request));
    }

    [Theory]
    [InlineData("/a%7Eb?c=%7E", "/a%7Eb?c=%7E")]
    [InlineData("?c=%7E", "/v2/team/web/blobs/sha256:a?c=%7E")]
    [InlineData("other%7E", "/v2/team/web/blobs/other%7E")]
    [InlineData("../manifests/%7E?c=../d", "/v2/team/web/manifests/%7E?c=../d")]
    [InlineData("./x/../y/", "/v2/team/web/blobs/y/")]
    [InlineData("../../../../../../x", "/x")]
    [InlineData("a:b/c", null)]
    [InlineData("./a:b", "/v2/team/web/blobs/a:b")]
    [InlineData("/with space?and one", "/with%20space?and%20one")]
    [InlineData("/\u00c3\u00a9", "/%C3%A9")]
    public async Task A_relative_redirect_is_resolved_and_not_changed_further(string location, string? target)
    {
        using var registry =
            new RawServer((_, asked) => asked == target
                ? RawServer.Answer(200, "blob")
                : RawServer.Answer(307, "", ("Location", location)));
        using var client = Client(registry);

        if (target is not null)
            Assert.Equal("blob", await Read(client, registry));
        else
            Assert.Equal(RegistryErrorKind.Broken, (await Assert.ThrowsAsync<RegistryException>(() => Read(client, registry))).Kind);
    }

    [Theory]
    [InlineData("http://user:hidden@127.0.0.1/x", "it holds a user name or a password")]
    [InlineData("http://:80/", "it is no absolute address")]
    [InlineData("http://ho st/hidden", "it is no absolute address")]
    [InlineData("http://127.0.0.1:70000/hidden", "it is no absolute address")]
    [InlineData("/a\u0001hidden", "it holds a control character")]
    public async Task A_redirect_that_cannot_be_followed_names_the_cause(string location, string cause)
    {
        using var registry = new RawServer((_, _) => RawServer.Answer(307, "", ("Location", location)));
        using var client = Client(registry);

        var error = await Assert.ThrowsAsync<RegistryException>(() => Read(client, registry));

        Assert.EndsWith(": a redirect that cannot be followed: of its address, " + cause, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hidden", error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Targets))]
    public async Task A_token_server_is_asked_where_the_challenge_says(string target)
    {
        using var tokens = new RawServer((_, _) => RawServer.Answer(200, """{"token":"t"}"""));
        var realm = $"http://{tokens.Host}{target}".Replace("\\", "\\\\", StringComparison.Ordinal)
            .Replace("\"", "\\\"", StringComparison.Ordinal);
        var isFirst = true;
        using var registry = new RawServer((_, _) => !isFirst || (isFirst = false) ? RawServer.Answer(200, "blob")
            : RawServer.Answer(401, "", ("WWW-Authenticate", $"Bearer realm=\"{realm}\",service=\"s\"")));
        using var client = Client(registry, tokens);

        Assert.Equal("blob", await Read(client, registry));

        var separator = !target.Contains('?', StringComparison.Ordinal) ? "?" : target.EndsWith('?') ? "" : "&";
        Assert.Equal($"GET {target}{separator}service=s&scope=repository%3Ateam%2Fweb%3Apull", Assert.Single(tokens.Requests));
    }

    [Theory]
    [MemberData(nameof(Targets))]
    public async Task An_upload_goes_where_the_cache_registry_says(string target)
    {
        using var cache = new RawServer((method, _) => method == "POST"
            ? RawServer.Answer(202, "", ("Location", target.StartsWith("//", StringComparison.Ordinal) ? "/." + target : target))
            : RawServer.Answer(201));
        var expected = target.StartsWith("//", StringComparison.Ordinal) ? "/." + target : target;
        using var registry = new CacheRegistry(
            new CopyEngineOptions { CacheEndpoint = new Uri($"http://{cache.Host}"), Platforms = [], SpoolPath = "" }, TimeProvider.System);

        await registry.UploadSmall("team/web", TestBlob.DigestOf("x"u8.ToArray()), "x"u8.ToArray(), Stop);

        var separator = !target.Contains('?', StringComparison.Ordinal) ? "?" : target.EndsWith('?') ? "" : "&";
        Assert.Equal($"PUT {expected}{separator}digest={Uri.EscapeDataString(TestBlob.DigestOf("x"u8.ToArray()))}", cache.Requests[^1]);
    }

    [Theory]
    [InlineData("a=%41%2E%7E&b=%2F")]
    [InlineData("a|b^c`{d}")]
    [InlineData("a=%")]
    public async Task A_next_page_is_asked_for_as_the_link_says(string query)
    {
        const string Path = "/v2/team/web/referrers/sha256:a";
        var page = """{"schemaVersion":2,"manifests":[]}""";
        (string, string) type = ("Content-Type", MediaTypes.OciIndex);
        using var registry =
            new RawServer((_, asked) => asked == Path
                ? RawServer.Answer(200, page, type, ("Link", $"<{Path}?{query}>; rel=\"next\""))
                : RawServer.Answer(200, page, type));
        using var client = Client(registry);

        await client.GetReferrers(new RegistryRepository(registry.Host, "team/web"), "sha256:a", null, Stop);

        Assert.Equal(["GET " + Path, $"GET {Path}?{query}"], registry.Requests);
    }

    [Theory]
    [InlineData("/v2/team/other/referrers/x")]
    [InlineData("/v2/team/web/referrers/../../other/manifests/1")]
    [InlineData("/v2/team/web/referrers/%2e%2E/x")]
    [InlineData("http://user:hidden@127.0.0.1/v2/team/web/referrers/x")]
    public async Task A_next_page_outside_the_repository_is_not_asked_for(string link)
    {
        using var registry =
            new RawServer((_, _) =>
                RawServer.Answer(200, "{}", ("Content-Type", MediaTypes.OciIndex), ("Link", $"<{link}>; rel=\"next\"")));
        using var client = Client(registry);

        var error = await Assert.ThrowsAsync<RegistryException>(() =>
            client.GetReferrers(new RegistryRepository(registry.Host, "team/web"), "sha256:a", null, Stop));

        Assert.Equal((RegistryErrorKind.Broken, false), (error.Kind, error.IsTransient));
        Assert.DoesNotContain("hidden", error.ToString(), StringComparison.Ordinal);
        Assert.Single(registry.Requests);
    }

    private static RegistryClient Client(params RawServer[] servers) =>
        new(new RegistryEndpoints(servers.Select(server => $"http://{server.Host}")), [], TimeProvider.System);

    private static async Task<string> Read(RegistryClient client, RawServer registry)
    {
        await using var blob = await client.OpenBlob(new RegistryRepository(registry.Host, "team/web"), "sha256:a", null, null, Stop);
        using var bytes = new MemoryStream();
        await blob.Body.CopyToAsync(bytes, Stop);
        return Encoding.ASCII.GetString(bytes.ToArray());
    }
}
