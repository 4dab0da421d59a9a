using Kuik.ImageFetcher.CopyEngine;
using Xunit;

namespace Kuik.Tests.CopyEngine;

public sealed class PerHostLimiterTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_host_that_holds_every_turn_delays_no_other()
    {
        var turns = new PerHostLimiter(shared: 3);
        var slow = Enter(turns, "slow", 10);

        var quick = await turns.Enter("quick", Stop);
        var second = turns.Enter("quick", Stop);
        var third = turns.Enter("other", Stop);

        Assert.Equal(3, Begun(slow));
        Assert.False(second.IsCompleted);
        await third;
        quick.Dispose();
        await second;
    }

    [Fact]
    public void There_are_never_more_than_the_shared_turns_and_one_for_each_host()
    {
        var turns = new PerHostLimiter(shared: 3);

        var all = Enumerable.Range(0, 5).SelectMany(host => Enter(turns, $"host-{host}", 10)).ToList();

        Assert.Equal(3 + 4, Begun(all));   // the first host has taken all three
    }

    [Fact]
    public async Task Within_a_host_the_first_to_come_is_the_first_to_go()
    {
        var turns = new PerHostLimiter(shared: 1);
        var waiting = Enter(turns, "host", 4);

        for (var i = 0; i < 4; i++)
        {
            var turn = await waiting[i];
            Assert.All(waiting.Skip(i + 1), later => Assert.False(later.IsCompleted));
            turn.Dispose();
        }
    }

    [Fact]
    public async Task What_gets_free_goes_to_the_host_that_has_the_fewest()
    {
        var turns = new PerHostLimiter(shared: 4);
        var many = Enter(turns, "many", 6);
        var few = Enter(turns, "few", 3);
        Assert.Equal((4, 1), (Begun(many), Begun(few)));

        (await many[0]).Dispose();
        (await many[1]).Dispose();
        await few[1];

        Assert.False(many[4].IsCompleted);
    }

    [Fact]
    public void A_host_has_no_more_than_its_own_limit()
    {
        var turns = new PerHostLimiter(shared: 10, mostPerHost: 2);

        Assert.Equal(2, Begun(Enter(turns, "one", 5)));
        Assert.Equal(2, Begun(Enter(turns, "two", 5)));
    }

    [Fact]
    public async Task One_that_gives_up_leaves_its_place_to_the_next()
    {
        var turns = new PerHostLimiter(shared: 1);
        var first = await turns.Enter("host", Stop);
        using var impatient = new CancellationTokenSource();
        var given = turns.Enter("host", impatient.Token);
        var next = turns.Enter("host", Stop);

        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => given);
        first.Dispose();

        (await next).Dispose();
        (await turns.Enter("host", Stop)).Dispose();
    }

    [Fact]
    public async Task A_turn_ended_twice_counts_once()
    {
        var turns = new PerHostLimiter(shared: 1);
        var first = await turns.Enter("host", Stop);
        var waiting = Enter(turns, "host", 2);

        first.Dispose();
        first.Dispose();
        await waiting[0];

        Assert.False(waiting[1].IsCompleted);
    }

    private static List<Task<IDisposable>> Enter(PerHostLimiter turns, string host, int times) =>
        [.. Enumerable.Range(0, times).Select(_ => turns.Enter(host, Stop))];

    // Those that are let in as they come; who waits first goes on a moment after it is let in.
    private static int Begun(IEnumerable<Task<IDisposable>> turns) => turns.Count(turn => turn.IsCompletedSuccessfully);
}
