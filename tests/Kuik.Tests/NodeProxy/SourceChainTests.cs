using Kuik.Contracts;
using Kuik.NodeProxy;
using Kuik.Oci;
using Xunit;

namespace Kuik.Tests.NodeProxy;

public sealed class SourceChainTests
{
    private static readonly ImageReference Image = ImageReference.Parse("reg.example.com/a:1");
    private static readonly Answer.ManifestAnswer Found = new("sha256:" + new string('1', 64), MediaTypes.OciManifest, 2, "{}"u8.ToArray());
    private static readonly Answer.Passed CannotReach = new("it answered 504", IsSilent: true)
    { Detail = "it answered 504: Name or service not known" };

    private readonly ScriptedSource _cache = new("cache");
    private readonly ScriptedSource _fetcher = new("fetcher");
    private readonly ScriptedSource _origin = new("origin");

    [Fact]
    public async Task An_origin_that_fails_behind_a_fetcher_that_cannot_reach_it_is_named_with_it()
    {
        _fetcher.Says(CannotReach);
        _origin.Says(new Answer.Passed("GET https://reg.example.com/: refused", IsSilent: true));

        var sourceResult = await Ask(lastSource: null);

        var refused = Assert.IsType<Answer.Refused>(sourceResult.Answer);
        Assert.Equal(502, refused.Status);
        Assert.Equal($"no source of {Image} answered: cache: not here; fetcher: it answered 504; origin: GET https://reg.example.com/: "
            + "refused", ErrorBody.Message(refused.Body));
        Assert.Contains("Name or service not known", sourceResult.Note, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_origin_that_refuses_behind_a_fetcher_that_cannot_reach_it_is_named_with_it()
    {
        _fetcher.Says(CannotReach);
        _origin.Says(new Answer.Refused(401, RegistryErrors.Body("UNAUTHORIZED", "the origin: 401"), null));

        var refused = Assert.IsType<Answer.Refused>((await Ask(lastSource: null)).Answer);

        Assert.Equal((401, "the origin: 401 (fetcher: it answered 504)"), (refused.Status, ErrorBody.Message(refused.Body)));
    }

    [Theory]
    [InlineData("fetcher")]
    public async Task What_the_fetcher_gave_stands_while_it_cannot_reach_the_origin_and_the_origin_is_left_alone(string lastSource)
    {
        _fetcher.Says(CannotReach);

        Assert.Null((await Ask(lastSource)).Answer);
        Assert.Empty(_origin.Asked);
    }

    [Fact]
    public async Task What_the_cache_gave_and_has_no_more_is_asked_of_the_origin_when_the_fetcher_cannot_reach_it()
    {
        _fetcher.Says(CannotReach);
        _origin.Says(Found);

        Assert.Equal((Found, "origin"), await Ask("cache") is var sourceResult ? (sourceResult.Answer, sourceResult.Source) : default);
    }

    [Theory]
    [InlineData(429)]
    [InlineData(503)]
    [InlineData(504)]
    public async Task What_the_origin_gave_stands_when_a_source_before_it_says_later(int status)
    {
        _fetcher.Says(new Answer.Refused(status, RegistryErrors.Body("UNAVAILABLE", "later"), "5"));

        Assert.Null((await Ask("origin")).Answer);
    }

    private Task<SourceResult> Ask(string? lastSource) =>
        new SourceChain([_cache, _fetcher, _origin]).Find(Image, onlyHead: false, lastSource, TestContext.Current.CancellationToken);
}
