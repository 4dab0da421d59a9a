using System.Net;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.ImageFetcher;
using Kuik.ImageFetcher.CopyEngine;
using Xunit;

namespace Kuik.Tests.ImageFetcher;

public sealed class FetchImageTests
{
    private const string Nginx = "docker.io/library/nginx:1.27";
    private const string Us = "fetcher-0:8080";
    private const string Them = "fetcher-1:8080";
    private static readonly DateTimeOffset Noon = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);
    private static readonly RequestedByPod Requested = new(Nginx, "nginx:1.27", "uid-1", Noon);
    private static readonly ImageCached Cached = new(Nginx, "sha256:" + new string('a', 64), "application/vnd.oci.image.index.v1+json",
        ["linux/amd64"], [], 10, 10, 0, TimeSpan.FromSeconds(3), Noon.AddSeconds(4));

    private static readonly CopiedImage Copy =
        new(Cached.Digest, Cached.MediaType, Cached.Platforms, Cached.MissingPlatforms, 10, 10, 0, TimeSpan.FromSeconds(3));

    [Fact]
    public void A_requested_image_is_taken_on()
    {
        Assert.Equal(FetchDecision.Take, Decide(Noon, Requested));
        Assert.Equal(FetchDecision.Take, Decide(Noon, new RequestedByPerson(Nginx, "nginx:1.27", "nginx", Noon)));
        Assert.Equal(FetchDecision.Take, Decide(Noon, new RequestedByPull(Nginx, Noon)));
    }

    [Fact]
    public void An_image_that_was_not_requested_is_not_fetched() => Assert.Equal(FetchDecision.NotWanted, Decide(Noon));

    [Fact]
    public void The_same_request_delivered_twice_is_done_once() =>
        Assert.Equal(FetchDecision.AlreadyCached, Decide(Noon.AddSeconds(5), Requested, Started(Us, Noon), Cached));

    [Fact]
    public void A_second_request_of_an_image_that_is_cached_is_done_already() =>
        Assert.Equal(FetchDecision.AlreadyCached,
            Decide(Noon.AddHours(1), Requested, Started(Us, Noon), Cached,
                new RequestedByPerson(Nginx, "nginx:1.27", "nginx", Noon.AddHours(1))));

    [Fact]
    public void A_request_that_arrives_late_finds_the_image_cached_and_unused() =>
        Assert.Equal(FetchDecision.AlreadyCached,
            Decide(Noon.AddDays(1), Requested, Started(Us, Noon), Cached, new ImageUnused(Nginx, Noon.AddHours(1), Noon.AddDays(30))));

    [Fact]
    public void A_request_during_the_live_lease_of_another_replica_is_left_to_it() =>
        Assert.Equal(FetchDecision.HeldByAnother, Decide(Noon.AddSeconds(119), Requested, Started(Them, Noon)));

    [Fact]
    public void A_lease_that_has_run_out_is_taken_over() =>
        Assert.Equal(FetchDecision.Take, Decide(Noon.AddSeconds(120), Requested, Started(Them, Noon)));

    [Fact]
    public void A_renewed_lease_holds_on_and_one_given_back_at_shutdown_does_not()
    {
        var image = Given(Requested, Started(Them, Noon));

        Assert.Equal(FetchDecision.HeldByAnother, FetchImage.Decide(image, new WorkLease(1, Them, IsLive: true), Noon.AddSeconds(150), Us));
        Assert.Equal(FetchDecision.Take, FetchImage.Decide(image, new WorkLease(1, Them, IsLive: false), Noon.AddSeconds(10), Us));
        Assert.Equal(FetchDecision.Take, FetchImage.Decide(image, new WorkLease(1, null, IsLive: false), Noon.AddSeconds(10), Us));
    }

    [Fact]
    public void A_claim_after_a_lease_that_ran_out_says_so_and_one_after_a_lease_given_back_does_not()
    {
        var image = Given(Requested, Started(Them, Noon));

        Assert.True(Claim(image, new WorkLease(1, Them, IsLive: false)).FollowsLostClaim);
        Assert.True(Claim(image, null).FollowsLostClaim);
        Assert.False(Claim(image, new WorkLease(1, null, IsLive: false)).FollowsLostClaim);
        Assert.False(Claim(Given(Requested), null).FollowsLostClaim);
        Assert.Equal((1, 2), (Claim(Given(Requested), null).Attempt, Claim(image, null).Attempt));
    }

    [Fact]
    public void A_replica_that_ends_while_it_copies_is_followed_by_another_one_but_not_for_ever()
    {
        object[] facts = [Requested, Started(Them, Noon), Lost(Us, Noon.AddMinutes(3), 2)];

        Assert.Equal(FetchDecision.Take, Decide(Noon.AddMinutes(6), facts));
        Assert.Equal(FetchDecision.EndsReplicas, Decide(Noon.AddMinutes(9), [.. facts, Lost(Them, Noon.AddMinutes(6), 3)]));
        Assert.Equal(FetchDecision.HeldByAnother, Decide(Noon.AddMinutes(7), [.. facts, Lost(Them, Noon.AddMinutes(6), 3)]));
        Assert.Equal(FetchDecision.EndsReplicas, Decide(Noon.AddMinutes(9), [.. facts, Lost(Us, Noon.AddMinutes(6), 3)]));
    }

    [Fact]
    public void Of_an_earlier_version_renewals_and_leases_given_back_are_no_lost_claims()
    {
        object[] renewed = [Requested, Started(Them, Noon) with { Attempt = 0 },
            .. Enumerable.Range(1, 50).Select(minute => Started(Them, Noon.AddMinutes(minute)) with { Attempt = 0, IsRenewal = true })];
        object[] returned = [Requested,
            .. Enumerable.Range(0, 10).SelectMany(minute => new[] { Started(Them, Noon.AddMinutes(minute)) with { Attempt = 0 },
            new ImageFetchStarted(Nginx, Them, Noon.AddMinutes(minute), Noon.AddMinutes(minute)) })];

        Assert.Equal(FetchDecision.Take, Decide(Noon.AddHours(1), renewed));
        Assert.Equal(0, Given(renewed).LostClaims);
        Assert.Equal(FetchDecision.HeldByAnother, Decide(Noon.AddMinutes(51), renewed));
        Assert.Equal(FetchDecision.Take, Decide(Noon.AddHours(1), returned));
        Assert.Equal(0, Given(returned).LostClaims);
    }

    [Fact]
    public void A_replica_that_was_killed_takes_its_own_image_up_again() =>
        Assert.Equal(FetchDecision.Take, Decide(Noon.AddSeconds(1), Requested, Started(Us, Noon)));

    [Fact]
    public void A_failed_copy_waits_for_its_time()
    {
        Assert.Equal(FetchDecision.NotYetDue,
            Decide(Noon.AddMinutes(4), Requested, Started(Us, Noon), Failed(Noon, retryAt: Noon.AddMinutes(5))));
        Assert.Equal(FetchDecision.Take,
            Decide(Noon.AddMinutes(5), Requested, Started(Us, Noon), Failed(Noon, retryAt: Noon.AddMinutes(5))));
    }

    [Fact]
    public void A_new_request_does_not_wait_for_the_back_off() =>
        Assert.Equal(FetchDecision.Take,
            Decide(Noon.AddMinutes(1), Requested, Failed(Noon, retryAt: Noon.AddMinutes(5)),
                new RequestedByPerson(Nginx, "nginx:1.27", "nginx", Noon.AddMinutes(1))));

    [Fact]
    public void An_expired_image_is_not_fetched()
    {
        Assert.Equal(FetchDecision.NotWanted,
            Decide(Noon.AddDays(30), Requested, Started(Us, Noon), Cached, new ImageExpired(Nginx, Noon.AddDays(30))));
        Assert.Equal(FetchDecision.NotWanted,
            Decide(Noon.AddDays(30), Requested, new ImageExpired(Nginx, Noon.AddDays(1)), new FetchDue(Nginx, Noon, Noon.AddDays(1))));
    }

    [Fact]
    public void A_request_before_the_eviction_of_an_expired_image_fetches_it_again() =>
        Assert.Equal(FetchDecision.Take, Decide(Noon.AddDays(30), Requested, Cached, new ImageExpired(Nginx, Noon.AddDays(30)), Requested));

    [Fact]
    public void A_request_after_the_eviction_fetches_the_image_again() =>
        Assert.Equal(FetchDecision.Take,
            Decide(Noon.AddDays(31), Requested, Cached, new ImageExpired(Nginx, Noon.AddDays(30)),
                new ImageEvicted(Nginx, Noon.AddDays(30)), Requested));

    [Fact]
    public void A_request_that_an_eviction_overtook_is_still_open() =>
        Assert.Equal(FetchDecision.Take,
            Decide(Noon.AddDays(31), Requested, Cached, new ImageExpired(Nginx, Noon.AddDays(30)), Requested,
                new ImageEvicted(Nginx, Noon.AddDays(30))));

    [Fact]
    public void Failures_count_in_a_row()
    {
        var image = Given(Requested, Failed(Noon, Noon), Started(Us, Noon), Failed(Noon, Noon));

        Assert.Equal(2, image.Failures);
        Assert.Equal(0, ImageState.Fold(image, Cached).Failures);
        Assert.Equal(0, ImageState.Fold(image, new ImageExpired(Nginx, Noon)).Failures);
    }

    [Fact]
    public void Claims_without_an_outcome_are_recorded_as_a_failure_whose_wait_grows_with_each_further_one()
    {
        object[] facts = [Requested, Started(Them, Noon), Lost(Us, Noon.AddMinutes(3), 2), Lost(Them, Noon.AddMinutes(6), 3)];

        var first = FetchImage.Lost(Given(facts), Nginx, Noon.AddMinutes(9));
        object[] again = [.. facts, first, Started(Us, first.RetryAt) with { Attempt = 4 }];
        var second = FetchImage.Lost(Given(again), Nginx, first.RetryAt.AddMinutes(3));

        Assert.Equal(("internal", true, FetchRetryPolicy.At(Nginx, "internal", 1, null, Noon.AddMinutes(9))),
            (first.Kind, first.RetryHelps, first.RetryAt));
        Assert.Equal(FetchDecision.NotYetDue, Decide(first.RetryAt.AddSeconds(-1), [.. facts, first]));
        Assert.Equal(FetchDecision.Take, Decide(first.RetryAt, [.. facts, first]));
        Assert.Equal(FetchDecision.EndsReplicas, Decide(first.RetryAt.AddMinutes(3), again));
        Assert.Equal(FetchRetryPolicy.At(Nginx, "internal", 2, null, first.RetryAt.AddMinutes(3)), second.RetryAt);
    }

    [Fact]
    public void An_outcome_ends_the_row_of_lost_claims()
    {
        object[] facts = [Requested, Started(Them, Noon), Lost(Us, Noon.AddMinutes(3), 2)];

        Assert.Equal(0, Given([.. facts, Failed(Noon, Noon)]).LostClaims);
        Assert.Equal(0, Given([.. facts, Cached]).LostClaims);
    }

    [Fact]
    public void A_finished_copy_is_recorded() =>
        Assert.Equivalent(Cached with { Attempt = 1 },
            FetchImage.Cached(Given(Requested, Started(Us, Noon)), Nginx, Copy, 1, Noon.AddSeconds(4)));

    [Fact]
    public void A_copy_that_another_replica_finished_first_is_not_recorded_twice() =>
        Assert.Null(FetchImage.Cached(Given(Requested, Started(Us, Noon), Lost(Them, Noon.AddMinutes(3), 2), Cached), Nginx, Copy, 1,
            Noon.AddMinutes(4)));

    [Fact]
    public void A_copy_that_ends_after_the_image_expired_is_not_recorded()
    {
        object[] expired = [Requested, Started(Us, Noon), new ImageExpired(Nginx, Noon)];

        Assert.Null(FetchImage.Cached(Given(expired), Nginx, Copy, 1, Noon.AddSeconds(4)));
        Assert.Null(FetchImage.Cached(Given([.. expired, new ImageEvicted(Nginx, Noon)]), Nginx, Copy, 1, Noon.AddSeconds(4)));
        Assert.Null(FetchImage.Cached(Given([.. expired, new ImageEvicted(Nginx, Noon), Requested]), Nginx, Copy, 1, Noon.AddSeconds(4)));
    }

    [Fact]
    public void A_failed_copy_is_recorded_with_its_kind_and_next_try()
    {
        var image = Given(Requested, Failed(Noon, Noon), Started(Us, Noon));

        var failed = FetchImage.Failed(image, Nginx,
            new CopyException(CopyException.RateLimited, "too many requests", retryHelps: true, TimeSpan.FromHours(1),
                HttpStatusCode.TooManyRequests), 1, Noon);

        Assert.Equal(new ImageFetchFailed(Nginx, "rate-limited", "too many requests", RetryHelps: true,
            FetchRetryPolicy.At(Nginx, "rate-limited", 2, TimeSpan.FromHours(1), Noon), Noon)
        { Attempt = 1, OriginStatus = 429 }, failed);
    }

    [Fact]
    public void A_failure_after_another_replica_took_over_is_not_recorded()
    {
        var failure = new CopyException(CopyException.Unreachable, "no answer", retryHelps: true);

        Assert.Null(FetchImage.Failed(Given(Requested, Started(Us, Noon), Lost(Them, Noon.AddMinutes(3), 2)), Nginx, failure, 1,
            Noon.AddMinutes(4)));
        Assert.Null(FetchImage.Failed(Given(Requested, Started(Us, Noon), Lost(Them, Noon.AddMinutes(3), 2), Cached), Nginx, failure, 1,
            Noon.AddMinutes(4)));
    }

    [Fact]
    public void A_pull_of_an_image_that_was_not_requested_is_a_request()
    {
        Assert.Equal(new RequestedByPull(Nginx, Noon), PullRecorder.Decide(Given(), Nginx, Noon));
        Assert.Equal(new RequestedByPull(Nginx, Noon),
            PullRecorder.Decide(Given(Requested, Cached, new ImageExpired(Nginx, Noon)), Nginx, Noon));
    }

    [Fact]
    public void A_pull_of_a_known_image_is_no_news()
    {
        Assert.Null(PullRecorder.Decide(Given(Requested), Nginx, Noon));
        Assert.Null(PullRecorder.Decide(Given(Requested, Cached), Nginx, Noon));
        Assert.Null(PullRecorder.Decide(Given(new RequestedByPull(Nginx, Noon)), Nginx, Noon));
    }

    private static FetchDecision Decide(DateTimeOffset now, params object[] facts) => FetchImage.Decide(Given(facts), null, now, Us);

    private static ImageState Given(params object[] facts) => facts.Aggregate(ImageState.Initial, ImageState.Fold);

    private static ImageFetchStarted Claim(ImageState image, WorkLease? lease) =>
        FetchImage.Claim(image, lease, Nginx, Us, TimeSpan.FromMinutes(2), Noon);

    private static ImageFetchStarted Started(string by, DateTimeOffset at) => new(Nginx, by, at.AddMinutes(2), at) { Attempt = 1 };

    private static ImageFetchStarted Lost(string by, DateTimeOffset at, int attempt) =>
        new(Nginx, by, at.AddMinutes(2), at) { Attempt = attempt, FollowsLostClaim = true };

    private static ImageFetchFailed Failed(DateTimeOffset at, DateTimeOffset retryAt) =>
        new(Nginx, "unreachable", "no answer", RetryHelps: true, retryAt, at);
}
