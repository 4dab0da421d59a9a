using Kuik.NodeProxy;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.NodeProxy;

public sealed class CircuitBreakerTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly CircuitBreaker _circuitBreaker;

    public CircuitBreakerTests() => _circuitBreaker = new CircuitBreaker(TimeSpan.FromSeconds(5), _time);

    [Fact]
    public void A_server_that_never_failed_is_asked() => Assert.True(_circuitBreaker.MayAsk("cache"));

    [Fact]
    public void One_that_ran_into_a_limit_is_passed_over_until_the_pause_ends()
    {
        _circuitBreaker.Trip("cache");

        _time.Advance(TimeSpan.FromSeconds(4.9));

        Assert.False(_circuitBreaker.MayAsk("cache"));
        Assert.True(_circuitBreaker.MayAsk("fetcher"));
        Assert.Equal(["cache"], _circuitBreaker.Open);
    }

    [Fact]
    public void One_that_has_answered_since_is_only_slow_with_one_thing()
    {
        var asked = _time.GetUtcNow();
        _time.Advance(TimeSpan.FromSeconds(1));
        _circuitBreaker.Close("cache");

        Assert.False(_circuitBreaker.Trip("cache", asked));

        Assert.True(_circuitBreaker.MayAsk("cache"));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(_circuitBreaker.Trip("cache", _time.GetUtcNow()));
    }

    [Fact]
    public void After_the_pause_one_request_tries_it_and_the_others_go_on_passing_it_over()
    {
        _circuitBreaker.Trip("cache");

        _time.Advance(TimeSpan.FromSeconds(5));

        Assert.Equal([true, false, false], Enumerable.Range(0, 3).Select(_ => _circuitBreaker.MayAsk("cache")));
    }

    [Fact]
    public void Once_it_answers_all_requests_are_sent_to_it_again()
    {
        _circuitBreaker.Trip("cache");
        _time.Advance(TimeSpan.FromSeconds(5));
        _circuitBreaker.MayAsk("cache");

        var wasOpen = _circuitBreaker.Close("cache");

        Assert.True(wasOpen);
        Assert.Equal([true, true], Enumerable.Range(0, 2).Select(_ => _circuitBreaker.MayAsk("cache")));
        Assert.Empty(_circuitBreaker.Open);
    }

    [Fact]
    public void A_failed_try_begins_the_pause_anew()
    {
        _circuitBreaker.Trip("cache");
        _time.Advance(TimeSpan.FromSeconds(5));
        _circuitBreaker.MayAsk("cache");
        _time.Advance(TimeSpan.FromSeconds(4));
        _circuitBreaker.Trip("cache");

        _time.Advance(TimeSpan.FromSeconds(4));

        Assert.False(_circuitBreaker.MayAsk("cache"));
    }

    [Fact]
    public void Only_the_first_of_many_failures_is_news() =>
        Assert.Equal([true, false, false], Enumerable.Range(0, 3).Select(_ => _circuitBreaker.Trip("cache")));

    [Fact]
    public void Keys_of_requests_do_not_accumulate()
    {
        for (var i = 0; i < 10_000; i++)
        {
            _circuitBreaker.Trip($"host{i}.example.com");
            _time.Advance(TimeSpan.FromMilliseconds(10));
        }

        Assert.InRange(_circuitBreaker.Open.Count, 1, 1001);
    }
}
