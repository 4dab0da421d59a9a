using Kuik.ImageFetcher.CopyEngine;
using Xunit;

namespace Kuik.Tests.CopyEngine;

public class KeyedLockTests
{
    private readonly KeyedLock locks = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task One_at_a_time_holds_a_key_and_other_keys_are_free()
    {
        var first = await locks.Enter("a", Stop);
        var second = locks.Enter("a", Stop);
        using var other = await locks.Enter("b", Stop);

        Assert.False(second.IsCompleted);
        first.Dispose();
        (await second).Dispose();

        Assert.False(locks.IsHeld("a"));
        Assert.True(locks.IsHeld("b"));
    }

    [Fact]
    public async Task One_that_gives_up_waiting_leaves_nothing_behind()
    {
        var first = await locks.Enter("a", Stop);
        using var leave = new CancellationTokenSource();
        var second = locks.Enter("a", leave.Token);

        await leave.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        first.Dispose();

        Assert.False(locks.IsHeld("a"));
    }
}
