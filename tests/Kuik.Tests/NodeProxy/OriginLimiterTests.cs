using Kuik.NodeProxy;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.NodeProxy;

public sealed class OriginLimiterTests
{
    private readonly FakeTimeProvider _time = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_host_at_its_limit_holds_up_no_other()
    {
        var limiter = Limiter(perHost: 1, total: 10);
        using var first = await limiter.Enter("slow.test", Stop);
        var waiting = limiter.Enter("slow.test", Stop);

        using var other = await limiter.Enter("other.test", Stop);

        Assert.NotNull(other);
        Assert.False(waiting.IsCompleted);
        first!.Dispose();
        Assert.NotNull(await waiting);
    }

    [Fact]
    public async Task All_hosts_together_have_a_limit()
    {
        var limiter = Limiter(perHost: 1, total: 2);
        using var a = await limiter.Enter("a.test", Stop);
        using var b = await limiter.Enter("b.test", Stop);
        var c = limiter.Enter("c.test", Stop);

        Assert.False(c.IsCompleted);
        Assert.Equal((2, 1), limiter.Load);
        a!.Dispose();
        Assert.NotNull(await c);
    }

    [Fact]
    public async Task Waiting_ends_with_nothing_after_the_patience()
    {
        var limiter = Limiter(perHost: 1, total: 1);
        using var held = await limiter.Enter("a.test", Stop);
        var waiting = limiter.Enter("a.test", Stop).AsTask();

        _time.Advance(TimeSpan.FromSeconds(50));

        Assert.Null(await waiting);
        Assert.Equal((1, 0), limiter.Load);
    }

    [Fact]
    public async Task A_client_that_leaves_takes_no_slot_along()
    {
        var limiter = Limiter(perHost: 1, total: 1);
        var held = await limiter.Enter("a.test", Stop);
        using var client = new CancellationTokenSource();
        var left = limiter.Enter("a.test", client.Token).AsTask();
        var next = limiter.Enter("a.test", Stop).AsTask();

        await client.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
        held!.Dispose();
        Assert.NotNull(await next);
    }

    [Fact]
    public async Task A_slot_is_given_back_once()
    {
        var limiter = Limiter(perHost: 2, total: 2);
        var slot = await limiter.Enter("a.test", Stop);
        slot!.Dispose();
        slot.Dispose();

        Assert.Equal((0, 0), limiter.Load);
    }

    private OriginLimiter Limiter(int perHost, int total) => new(perHost, total, TimeSpan.FromSeconds(50), _time);
}
