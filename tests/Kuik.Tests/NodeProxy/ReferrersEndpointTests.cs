using System.Text;
using System.Text.Json.Nodes;
using Kuik.Contracts;
using Kuik.NodeProxy;
using Kuik.Oci;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Xunit;
using Yarp.ReverseProxy.Forwarder;

namespace Kuik.Tests.NodeProxy;

public sealed class ReferrersEndpointTests
{
    private static readonly ImageReference Image = ImageReference.Parse("reg.example.com/a@sha256:" + new string('1', 64));
    private static readonly byte[] Two = Encoding.UTF8.GetBytes($$"""
        {"schemaVersion":2,"mediaType":"{{MediaTypes.OciIndex}}","manifests":[{"digest":"sha256:a","artifactType":"application/a"},{"digest":"sha256:b","artifactType":"application/b"}]}
        """);

    /// <summary>Without a cache to relay from.</summary>
    private static readonly ReferrerPages NoPages = new(
        new SourceAddresses(new SourceAddress(null), new SourceAddress(null)),
        new ServiceCollection().AddLogging().AddHttpForwarder().BuildServiceProvider().GetRequiredService<IHttpForwarder>(),
        new HttpMessageInvoker(new SocketsHttpHandler()),
        new ProxyOptions { Port = 0, PreviousPorts = [], MetricsUrls = [], Cache = null, Fetcher = null });

    [Fact]
    public async Task Pages_of_a_cache_that_has_gone_meanwhile_are_an_error() =>
        Assert.Equal(502, (await Ask("", new Answer.Pages())).Status);

    [Fact]
    public async Task The_first_source_that_has_a_list_answers()
    {
        var (status, body, _) = await Ask("", new Answer.Passed("not cached"), List(Two));

        Assert.Equal(200, status);
        Assert.Equal(Two, body);
    }

    [Fact]
    public async Task Only_the_artifact_type_that_is_asked_for_is_listed_and_the_answer_says_so()
    {
        var (_, body, headers) = await Ask("?artifactType=application/b", List(Two));

        Assert.Equal("sha256:b", (string?)Assert.Single(JsonNode.Parse(body)!["manifests"]!.AsArray())!["digest"]);
        Assert.Equal("artifactType", headers["OCI-Filters-Applied"]);
    }

    [Theory]
    [InlineData(401)]
    [InlineData(403)]
    [InlineData(404)]
    public async Task Where_the_origin_has_none_or_shows_none_the_list_is_empty(int status)
    {
        var (told, body, headers) = await Ask("", new Answer.Passed("not cached"), new Answer.Refused(status, "{}", null));

        Assert.Equal((200, MediaTypes.OciIndex), (told, headers.ContentType.ToString()));
        Assert.Empty(JsonNode.Parse(body)!["manifests"]!.AsArray());
    }

    [Fact]
    public async Task Where_it_is_not_known_it_is_an_error_and_not_an_empty_list()
    {
        Assert.Equal(502, (await Ask("", new Answer.Passed("not cached"), new Answer.Passed("refused", IsSilent: true))).Status);
        Assert.Equal(429, (await Ask("", new Answer.Passed("not cached"), new Answer.Refused(429, "{}", "5"))).Status);
    }

    private static Answer.ManifestAnswer List(byte[] bytes) => new("sha256:x", MediaTypes.OciIndex, bytes.Length, bytes);

    private static async Task<(int Status, byte[] Body, IHeaderDictionary Headers)> Ask(string query, params Answer[] answers)
    {
        var http = new DefaultHttpContext();
        using var body = new MemoryStream();
        http.Response.Body = body;
        http.Request.Method = "GET";
        http.Request.QueryString = new QueryString(query);
        await new ReferrersEndpoint([.. answers.Select((answer, i) => new ScriptedSource($"source {i}") { Referrers = answer })], NoPages)
            .Serve(http, Image);
        return (http.Response.StatusCode, body.ToArray(), http.Response.Headers);
    }
}
