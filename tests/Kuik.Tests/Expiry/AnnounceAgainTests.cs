using Kuik.Contracts;
using Kuik.Expiry;
using Xunit;
using static Kuik.Tests.Expiry.Given;

namespace Kuik.Tests.Expiry;

public class AnnounceAgainTests
{
    [Fact]
    public void A_request_that_nobody_took_is_announced_again_after_a_minute()
    {
        var image = History(Requested(Noon));

        Assert.Null(AnnounceAgain.Decide(image, Lease, Noon.AddMinutes(1).AddTicks(-1)));
        Assert.Equal(new FetchDue(Nginx, Noon, Noon.AddMinutes(1)), AnnounceAgain.Decide(image, Lease, Noon.AddMinutes(1)));
    }

    [Fact]
    public void A_lease_shorter_than_a_minute_is_the_limit_for_the_first_time_too()
    {
        var image = History(Requested(Noon));

        Assert.Equal(new FetchDue(Nginx, Noon, Noon.AddSeconds(5)), AnnounceAgain.Decide(image, TimeSpan.FromSeconds(5), Noon.AddSeconds(5)));
    }

    [Fact]
    public void Twice_From_then_on_it_is_announced_once_a_lease()
    {
        var image = History(Requested(Noon), new FetchDue(Nginx, Noon, Noon.AddMinutes(1)));
        var next = Noon.AddMinutes(1) + Lease;

        Assert.Null(AnnounceAgain.Decide(image, Lease, next.AddTicks(-1)));
        Assert.Equal(new FetchDue(Nginx, Noon, next), AnnounceAgain.Decide(image, Lease, next));
    }

    [Fact]
    public void A_copy_whose_fetcher_is_gone_is_due_when_its_own_lease_has_passed()
    {
        var image = History(Requested(Noon), Started(Noon.AddMinutes(1)));

        Assert.Null(AnnounceAgain.Decide(image, Lease, Noon.AddMinutes(3).AddTicks(-1)));
        Assert.Equal(new FetchDue(Nginx, Noon, Noon.AddMinutes(3)), AnnounceAgain.Decide(image, Lease, Noon.AddMinutes(3)));
    }

    [Fact]
    public void A_long_copy_that_renews_its_lease_is_left_alone()
    {
        var image = History(Requested(Noon), Started(Noon), Started(Noon.AddMinutes(1)));

        Assert.Null(AnnounceAgain.Decide(image, Lease, Noon.AddMinutes(2.5)));
    }

    [Fact]
    public void A_failed_copy_is_due_at_the_time_that_its_fetcher_chose()
    {
        var image = History(Requested(Noon), Started(Noon), Failed(Noon, retryAt: Noon.AddHours(6)));

        Assert.Null(AnnounceAgain.Decide(image, Lease, Noon.AddHours(6).AddTicks(-1)));
        Assert.Equal(new FetchDue(Nginx, Noon, Noon.AddHours(6)), AnnounceAgain.Decide(image, Lease, Noon.AddHours(6)));
    }

    [Fact]
    public void An_eviction_that_nobody_took_or_finished_is_announced_again()
    {
        var expired = History([.. RequestedAndCached, Unused(Noon), new ImageExpired(Nginx, Noon)]);
        var started = ImageLife.Fold(expired, new ImageEvictionStarted(Nginx, "fetcher-0", Noon.AddMinutes(2), Noon));

        Assert.Equal(new EvictionDue(Nginx, Noon, Noon + Lease), AnnounceAgain.Decide(expired, Lease, Noon + Lease));
        Assert.Null(AnnounceAgain.Decide(started, Lease, Noon.AddMinutes(2).AddTicks(-1)));
        Assert.Equal(new EvictionDue(Nginx, Noon, Noon.AddMinutes(2)), AnnounceAgain.Decide(started, Lease, Noon.AddMinutes(2)));
    }

    [Fact]
    public void Too_late_What_is_cached_or_evicted_is_not_announced()
    {
        var cached = History(RequestedAndCached);
        var evicted = History([.. RequestedAndCached, new ImageExpired(Nginx, Noon), new ImageEvicted(Nginx, Noon)]);

        Assert.Null(AnnounceAgain.Decide(cached, Lease, Noon.AddDays(1)));
        Assert.Null(AnnounceAgain.Decide(evicted, Lease, Noon.AddDays(1)));
        Assert.Null(AnnounceAgain.Decide(ImageLife.Nothing, Lease, Noon.AddDays(1)));
    }

    [Fact]
    public void Out_of_order_A_copy_that_ends_when_the_image_has_expired_leaves_it_to_be_evicted()
    {
        var image = History(Requested(Noon), Started(Noon), Unused(Noon), new ImageExpired(Nginx, Noon), Started(Noon.AddMinutes(1)), Cached(Noon.AddMinutes(2)));

        Assert.Equal(new EvictionDue(Nginx, Noon, Noon + Lease), AnnounceAgain.Decide(image, Lease, Noon + Lease));
    }

    [Fact]
    public void An_image_that_is_asked_for_again_while_it_leaves_is_to_be_copied_not_evicted()
    {
        var image = History([.. RequestedAndCached, new ImageExpired(Nginx, Noon), Requested(Noon.AddMinutes(1)), new ImageEvicted(Nginx, Noon.AddMinutes(2))]);

        Assert.Equal(new FetchDue(Nginx, Noon.AddMinutes(1), Noon.AddMinutes(11)), AnnounceAgain.Decide(image, Lease, Noon.AddMinutes(11)));
    }
}
