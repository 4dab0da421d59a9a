using System.Net;
using System.Net.Http.Headers;
using Kuik.NodeProxy;
using Xunit;

namespace Kuik.Tests.NodeProxy;

public sealed class AnswerBlobTests
{
    [Theory]
    [InlineData("bytes=10-19", "bytes 10-19/100")]
    [InlineData("bytes=10-19", "bytes 10-19/*")]
    [InlineData("bytes=10-", "bytes 10-99/100")]
    [InlineData("bytes=90-200", "bytes 90-99/100")]
    [InlineData("bytes=-10", "bytes 90-99/100")]
    [InlineData("bytes=-200", "bytes 0-99/100")]
    public void A_part_that_is_the_one_asked_for_is_taken(string asked, string got) => Assert.IsType<Answer.Blob>(Read(asked, got));

    [Theory]
    [InlineData("bytes=10-19", "bytes 11-20/100")]
    [InlineData("bytes=10-19", "bytes 10-18/100")]
    [InlineData("bytes=10-19", "bytes 10-20/100")]
    [InlineData("bytes=10-", "bytes 0-99/100")]
    [InlineData("bytes=10-", "bytes 10-98/100")]
    [InlineData("bytes=-10", "bytes 80-99/100")]
    [InlineData("bytes=-10", "bytes 0-9/100")]
    [InlineData("bytes=10-19", "octets 10-19/100")]
    [InlineData("bytes=10-19", null)]
    [InlineData(null, "bytes 10-19/100")]
    public void Another_part_than_the_one_asked_for_is_passed_over(string? asked, string? got) =>
        Assert.Equal("it answered with another part than the one asked for", Assert.IsType<Answer.Passed>(Read(asked, got)).Why);

    private static Answer Read(string? asked, string? got)
    {
        var part = got is null ? null : ContentRangeHeaderValue.Parse(got);
        var size = part is { From: { } from, To: { } to } ? to - from + 1 : 10;
        var response = new HttpResponseMessage(HttpStatusCode.PartialContent) { Content = new ByteArrayContent(new byte[size]) };
        response.Content.Headers.ContentRange = part;
        return Answer.Blob.From(response, asked is null ? null : RangeHeaderValue.Parse(asked));
    }
}
