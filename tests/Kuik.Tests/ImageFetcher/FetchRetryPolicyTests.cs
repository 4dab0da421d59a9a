using Kuik.ImageFetcher;
using Xunit;

namespace Kuik.Tests.ImageFetcher;

public sealed class FetchRetryPolicyTests
{
    private const string Nginx = "docker.io/library/nginx:1.27";
    private static readonly DateTimeOffset Noon = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("gone", 300, 21600)]
    [InlineData("refused", 120, 3600)]
    [InlineData("rate-limited", 120, 3600)]
    [InlineData("broken", 30, 1800)]
    [InlineData("unreachable", 15, 600)]
    [InlineData("cache", 15, 300)]
    [InlineData("internal", 30, 1800)]
    public void Each_failure_in_a_row_waits_twice_as_long_up_to_the_limit_of_its_kind(string kind, int first, int longest)
    {
        Assert.All(Enumerable.Range(1, 60), failures =>
        {
            var wait = (FetchRetryPolicy.At(Nginx, kind, failures, retryAfter: null, Noon) - Noon).TotalSeconds;
            var expected = Math.Min(first * Math.Pow(2, failures - 1), longest);
            Assert.InRange(wait, expected, expected * 1.25);
        });
    }

    [Fact]
    public void What_the_origin_asks_for_is_waited_for()
    {
        Assert.InRange(FetchRetryPolicy.At(Nginx, "rate-limited", 1, TimeSpan.FromHours(2), Noon), Noon.AddHours(2), Noon.AddHours(2.5));
        Assert.InRange(FetchRetryPolicy.At(Nginx, "rate-limited", 1, TimeSpan.FromSeconds(1), Noon), Noon.AddMinutes(2),
            Noon.AddMinutes(2.5));
    }

    [Fact]
    public void An_origin_that_asks_for_a_year_is_tried_again_within_days() =>
        Assert.InRange(FetchRetryPolicy.At(Nginx, "rate-limited", 1, TimeSpan.FromDays(365), Noon), Noon.AddDays(1), Noon.AddDays(1.25));

    [Fact]
    public void Retries_of_images_that_failed_together_are_spread_and_every_replica_computes_the_same_time()
    {
        var times = Enumerable.Range(0, 100).Select(i => FetchRetryPolicy.At($"docker.io/library/image:{i}", "unreachable", 5, null, Noon))
            .ToList();

        Assert.True(times.Distinct().Count() > 90);
        Assert.Equal(times, Enumerable.Range(0, 100)
            .Select(i => FetchRetryPolicy.At($"docker.io/library/image:{i}", "unreachable", 5, null, Noon)));
    }
}
