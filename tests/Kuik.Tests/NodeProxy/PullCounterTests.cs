using Kuik.Contracts;
using Kuik.NodeProxy;
using Kuik.Oci;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.NodeProxy;

public sealed class PullCounterTests
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly ImageReference Nginx = ImageReference.Parse("nginx:1.27");

    private readonly FakeTimeProvider _time = new(Noon);

    [Fact]
    public void Every_request_for_a_tag_is_a_pull_and_of_a_digest_those_that_get_it()
    {
        var counter = new PullCounter(_time);
        var digest = Nginx.With("sha256:" + new string('a', 64));

        counter.Count(Nginx, isHead: true, isHit: false);
        _time.Advance(TimeSpan.FromSeconds(7));
        counter.Count(Nginx, isHead: false, isHit: true);
        counter.Count(digest, isHead: true, isHit: false);
        counter.Count(digest, isHead: false, isHit: false);

        Assert.Equal(
            [
                new CountedPulls("docker.io/library/nginx:1.27", 2, Noon.AddSeconds(7)) { Hits = 1 },
                new CountedPulls(digest.ToString(), 1, Noon.AddSeconds(7)) { Hits = 0 },
            ],
            counter.Take().OrderByDescending(image => image.Count));
    }

    [Fact]
    public void Counts_that_were_taken_are_counted_once_and_those_put_back_again()
    {
        var counter = new PullCounter(_time);
        counter.Count(Nginx, isHead: true, isHit: true);
        var taken = counter.Take();
        Assert.Empty(counter.Take());

        counter.PutBack(taken);
        _time.Advance(TimeSpan.FromSeconds(1));
        counter.Count(Nginx, isHead: true, isHit: false);

        Assert.Equal(new CountedPulls(Nginx.ToString(), 2, Noon.AddSeconds(1)) { Hits = 1 }, Assert.Single(counter.Take()));
    }

    [Fact]
    public void Images_beyond_the_limit_are_not_counted_and_known_ones_go_on()
    {
        var counter = new PullCounter(_time);

        for (var round = 0; round < 2; round++)
            for (var number = 0; number < PullReport.MostImages + 100; number++)
                counter.Count(Nginx.With($"{number}"), isHead: true, isHit: false);

        var taken = counter.Take();
        Assert.Equal(PullReport.MostImages, taken.Count);
        Assert.All(taken, image => Assert.Equal(2, image.Count));
    }

    [Fact]
    public void Nothing_is_lost_among_many_threads()
    {
        var counter = new PullCounter(_time);

        Parallel.For(0, 8, _ =>
        {
            for (var i = 0; i < 10_000; i++)
                counter.Count(Nginx, isHead: true, isHit: false);
        });

        Assert.Equal(80_000, counter.Take().Sum(image => image.Count));
    }
}
