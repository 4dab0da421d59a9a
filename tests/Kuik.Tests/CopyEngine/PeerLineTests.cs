using System.Net;
using System.Text.Json;
using Kuik.ImageFetcher.CopyEngine;
using Xunit;

namespace Kuik.Tests.CopyEngine;

public class PeerLineTests
{
    [Fact]
    public void A_failure_crosses_between_replicas_whole()
    {
        var failure = new CopyException(
            CopyException.RateLimited, "GET https://registry.example/v2/…: 429 Too Many Requests\nwith a second line", true,
            TimeSpan.FromSeconds(90), HttpStatusCode.TooManyRequests);

        var line = PeerLine.From(failure).Write();
        var read = Assert.Throws<CopyException>(() => PeerLine.Parse(line));

        Assert.DoesNotContain('\n', line);
        Assert.Equal(
            (failure.Kind, failure.Message, failure.RetryHelps, failure.RetryAfter, failure.Status),
            (read.Kind, read.Message, read.RetryHelps, read.RetryAfter, read.Status));
    }

    [Fact]
    public void A_media_type_with_a_line_break_is_still_one_line_and_one_manifest()
    {
        var manifest = new PeerManifest("x\n{\"copied\":1}", "sha256:" + new string('a', 64), [1, 2, 3]);

        var line = new PeerLine { Manifest = manifest }.Write();

        Assert.DoesNotContain('\n', line);
        Assert.Equal(manifest.MediaType, PeerLine.Parse(line).Manifest!.MediaType);
    }

    [Theory]
    [InlineData("working")]
    [InlineData("failed refused True abc - bm8=")]
    [InlineData("{}")]
    [InlineData("{\"copied\":\"many\"}")]
    [InlineData("null")]
    [InlineData("")]
    public void A_line_of_another_version_is_no_result(string line) => Assert.ThrowsAny<JsonException>(() => PeerLine.Parse(line));

    [Theory]
    [InlineData("-1")]
    [InlineData("1e300")]
    public void A_pause_that_is_none_is_left_out(string seconds)
    {
        var read = Assert.Throws<CopyException>(() => PeerLine.Parse(
            """{"failed":{"kind":"rate-limited","message":"429","retryHelps":true,"retryAfterSeconds":SECONDS}}""".Replace("SECONDS",
                seconds, StringComparison.Ordinal)));

        Assert.Null(read.RetryAfter);
    }

    [Fact]
    public void Progress_is_no_result()
    {
        Assert.Equal(4096, PeerLine.Parse(new PeerLine { Working = 4096 }.Write()).Working);
        Assert.Equal(12345, PeerLine.Parse(new PeerLine { Copied = 12345 }.Write()).Copied);
    }
}
