using System.Net;
using Kuik.ImageFetcher.CopyEngine;
using Xunit;

namespace Kuik.Tests.CopyEngine;

public class AskOwnerTests
{
    [Fact]
    public void A_failure_crosses_between_replicas_whole()
    {
        var failure = new CopyFailed(CopyFailed.RateLimited, "GET https://registry.example/v2/…: 429 Too Many Requests\nwith a second line", true, TimeSpan.FromSeconds(90), HttpStatusCode.TooManyRequests);

        var line = AskOwner.Write(failure);
        var read = Assert.Throws<CopyFailed>(() => AskOwner.Read(line));

        Assert.DoesNotContain('\n', line);
        Assert.Equal((failure.Kind, failure.Message, failure.RetryHelps, failure.RetryAfter, failure.Status), (read.Kind, read.Message, read.RetryHelps, read.RetryAfter, read.Status));
    }

    [Fact]
    public void Progress_is_no_result_and_a_result_has_words()
    {
        Assert.Null(AskOwner.Read("working"));
        Assert.Equal("copied 12345", string.Join(' ', AskOwner.Read("copied 12345")!));
    }
}
