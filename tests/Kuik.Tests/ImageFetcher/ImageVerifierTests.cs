using Kuik.Contracts;
using Kuik.ImageFetcher;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace Kuik.Tests.ImageFetcher;

public sealed class ImageVerifierTests
{
    private const string Nginx = "docker.io/library/nginx:1.27";
    private const string Loss = "the cache registry has lost a blob";
    private static readonly string Digest = "sha256:" + new string('a', 64);
    private static readonly DateTimeOffset Noon = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);
    private static readonly object[] CachedByFirstClaim =
    [
        new RequestedByPod(Nginx, "nginx:1.27", "uid-1", Noon),
        Started(1),
        Cached(1),
    ];

    [Fact]
    public void A_loss_of_a_cached_image_is_recorded_with_its_digest()
    {
        var lost = ImageVerifier.Decide(Given(CachedByFirstClaim), 1, Loss, "verification", Noon.AddDays(1))!;

        Assert.Equal(new ImageLost(Nginx, Loss, 1, Noon.AddDays(1)) { Digest = Digest, NoticedBy = "verification" }, lost);
    }

    [Fact]
    public void A_loss_that_was_seen_before_the_image_was_copied_again_is_not_recorded()
    {
        var copiedAgain = Given([.. CachedByFirstClaim, Lost(1), Started(2), Cached(2)]);

        Assert.Null(ImageVerifier.Decide(copiedAgain, 1, Loss, "verification", Noon.AddDays(1)));
        Assert.Equal(ImagePhase.Cached, ImageState.Fold(copiedAgain, Lost(1)).Phase);
    }

    [Fact]
    public void A_loss_of_an_image_that_has_expired_since_is_not_recorded()
    {
        var expired = Given([.. CachedByFirstClaim, new ImageExpired(Nginx, Noon.AddHours(1))]);

        Assert.Null(ImageVerifier.Decide(expired, 1, Loss, "verification", Noon.AddDays(1)));
        Assert.Same(expired, ImageState.Fold(expired, Lost(1)));
    }

    [Fact]
    public void A_lost_image_is_wanted_again_and_no_longer_cached()
    {
        var lost = Given([.. CachedByFirstClaim, new ImageRetained(Nginx, Noon), Lost(1)]);

        Assert.Equal((ImagePhase.Wanted, false, null, true), (lost.Phase, lost.IsCached, lost.Digest, lost.IsRetained));
        Assert.Equal(FetchDecision.Take, FetchImage.Decide(lost, null, Noon, "fetcher-0:8080"));
        Assert.Equal([new ImageWork(WorkKind.Fetch, null, 0)], ImageWork.From(lost));
    }

    [Fact]
    public void A_lost_image_that_no_pod_uses_expires_when_it_would_have_without_the_loss()
    {
        var lost = Given([.. CachedByFirstClaim, new ImageUnused(Nginx, Noon, Noon.AddDays(30)), Lost(1)]);

        Assert.Equal(Noon, lost.UnusedSince);
        Assert.Contains(new ImageWork(WorkKind.Expire, Noon, 0), ImageWork.From(lost));
    }

    [Theory]
    [InlineData(null, "1.00:00:00")]
    [InlineData("00:00:01", "00:00:01")]
    [InlineData("7.00:00:00", "7.00:00:00")]
    public void The_interval_is_a_day_unless_it_is_set(string? setting, string interval) =>
        Assert.Equal(TimeSpan.Parse(interval, null), VerificationOptions.From(Configuration(setting)).Interval);

    [Fact]
    public void An_interval_below_a_second_is_refused_with_the_range()
    {
        var refusal = Assert.ThrowsAny<Exception>(() => VerificationOptions.From(Configuration("00:00:00")));

        Assert.Equal(
            "Kuik:Verify:Interval: \"00:00:00\" is not accepted; it must be a duration from 00:00:01 to 365.00:00:00, such as 1.00:00:00",
            refusal.Message);
    }

    private static IConfiguration Configuration(string? interval) =>
        new ConfigurationBuilder().AddInMemoryCollection([KeyValuePair.Create("Kuik:Verify:Interval", interval)]).Build();

    private static ImageState Given(IEnumerable<object> facts) => facts.Aggregate(ImageState.Initial, ImageState.Fold);

    private static ImageFetchStarted Started(long attempt) =>
        new(Nginx, "fetcher-0:8080", Noon.AddMinutes(2), Noon) { Attempt = attempt };

    private static ImageCached Cached(long attempt) => new(
        Nginx, Digest, "application/vnd.oci.image.manifest.v1+json", [], [], 10, 10, 0, TimeSpan.FromSeconds(3), Noon.AddSeconds(4))
    { Attempt = attempt };

    private static ImageLost Lost(long attempt) => new(Nginx, Loss, attempt, Noon.AddMinutes(30));
}
