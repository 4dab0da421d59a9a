using Kuik.Kubernetes;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.Kubernetes;

public sealed class WorkQueueTests : IDisposable
{
    private static readonly CancellationToken Any = CancellationToken.None;

    private readonly FakeTimeProvider time = new();
    private readonly WorkQueue queue;

    public WorkQueueTests() => queue = new WorkQueue(time);

    public void Dispose() => queue.Dispose();

    [Fact]
    public async Task Keys_come_in_the_order_in_which_they_were_added_each_once()
    {
        queue.Add(["a", "b", "a", "c", "b"]);

        Assert.Equal(["a", "b", "c"], await queue.Take(10, Any));
        Assert.Equal(3, queue.Depth);
    }

    [Fact]
    public async Task A_key_that_is_added_while_it_is_taken_comes_again_when_it_is_done_and_never_twice_at_once()
    {
        queue.Add("a");
        await queue.Take(1, Any);
        queue.Add(["a", "a"]);
        var next = queue.Take(10, Any);
        Assert.False(next.IsCompleted);

        queue.Done("a");

        Assert.Equal(["a"], await next);
        queue.Done("a");
        Assert.Equal(0, queue.Depth);
    }

    [Fact]
    public async Task A_hundred_keys_that_always_fail_do_not_keep_five_hundred_good_ones_waiting()
    {
        queue.Add(Enumerable.Range(0, 100).Select(i => $"bad {i}"));
        queue.Add(Enumerable.Range(0, 500).Select(i => $"good {i}"));
        var (good, calls) = (0, 0);

        for (var i = 0; i < 600; i++, calls++)
            good += await TakeOne();

        Assert.Equal(500, good);
        for (var second = 0; second < 3600; second++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            for (; IsSomethingQueued(out var keys); calls++)
                queue.Retry(keys[0]);
        }
        Assert.InRange(calls - 600, 100 * 60, 100 * 130);   // each failing one between once and twice a minute, not a hundred times
    }

    [Fact]
    public async Task Failures_wait_twice_as_long_each_time_up_to_the_longest_and_a_success_begins_anew()
    {
        queue.Add("a");
        await queue.Take(1, Any);
        var waits = new List<double>();
        for (var i = 0; i < 9; i++)
        {
            queue.Retry("a");
            waits.Add(SecondsUntilTaken());
        }
        queue.Done("a");
        queue.Add("a");
        await queue.Take(1, Any);
        queue.Retry("a");

        double[] full = [1, 2, 4, 8, 16, 32, 60, 60, 60];
        Assert.All(waits.Zip(full), wait => Assert.InRange(wait.First, wait.Second / 2, wait.Second + 0.1));
        Assert.InRange(SecondsUntilTaken(), 0.5, 1.1);
    }

    [Fact]
    public async Task What_the_other_side_asks_for_is_waited_at_least_and_adding_the_key_does_not_shorten_it()
    {
        queue.Add("a");
        await queue.Take(1, Any);
        queue.Retry("a", TimeSpan.FromSeconds(100));

        queue.Add("a");

        Assert.InRange(SecondsUntilTaken(), 99.9, 100.2);
        Assert.Equal(1, queue.Failing);
    }

    [Fact]
    public async Task Urgent_keys_go_before_a_large_batch_that_is_not_starved_either()
    {
        queue.Add(Enumerable.Range(0, 1000).Select(i => $"listed {i}"), isUrgent: false);
        await queue.Take(50, Any);
        queue.Add("new");
        var turns = new List<string>();
        for (var i = 0; i < 8; i++)
        {
            turns.Add((await queue.Take(1, Any))[0]);
            queue.Add($"more {i}");
        }

        Assert.Contains("new", turns[..2]);
        Assert.InRange(turns.Count(key => key.StartsWith("listed", StringComparison.Ordinal)), 2, 2);
    }

    [Fact]
    public async Task A_key_that_failed_in_a_batch_comes_alone()
    {
        queue.Add(["a", "b"]);
        foreach (var key in await queue.Take(10, Any))
            queue.Retry(key);
        time.Advance(TimeSpan.FromSeconds(2));
        queue.Add(["c", "d"]);

        Assert.Single(await queue.Take(10, Any));
        Assert.Single(await queue.Take(10, Any));
        Assert.Equal(["c", "d"], await queue.Take(10, Any));
    }

    [Fact]
    public async Task Changes_within_the_gathering_time_are_one_piece_of_work()
    {
        using var gathering = new WorkQueue(time, new WorkQueueOptions { Gather = TimeSpan.FromSeconds(0.5) });
        var next = gathering.Take(10, Any);
        for (var i = 0; i < 4; i++)
        {
            gathering.Add("a");
            time.Advance(TimeSpan.FromSeconds(0.1));
        }
        Assert.False(next.IsCompleted);

        time.Advance(TimeSpan.FromSeconds(0.1));

        Assert.Equal(["a"], await next);
    }

    [Fact]
    public async Task The_oldest_age_is_that_of_the_first_change_that_is_not_done()
    {
        var start = time.GetUtcNow();
        queue.Add("a");
        time.Advance(TimeSpan.FromSeconds(5));
        queue.Add("b");
        await queue.Take(1, Any);
        queue.Retry("a");
        Assert.Equal(start, queue.OldestSince);

        time.Advance(TimeSpan.FromSeconds(2));
        await queue.Take(1, Any);
        await queue.Take(1, Any);
        queue.Done("a");

        Assert.Equal(start.AddSeconds(5), queue.OldestSince);
        queue.Done("b");
        Assert.Null(queue.OldestSince);
    }

    [Fact]
    public async Task Calls_above_the_pace_wait_for_their_turn_in_order()
    {
        var bucket = new TokenBucket(10, 5, time);
        var calls = Enumerable.Range(0, 25).Select(_ => bucket.Take(Any)).ToArray();
        Assert.Equal(5, calls.Count(call => call.IsCompleted));

        time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal(15, calls.Count(call => call.IsCompleted));
        Assert.All(calls[..15], call => Assert.True(call.IsCompleted));
        time.Advance(TimeSpan.FromSeconds(1));
        await Task.WhenAll(calls);
    }

    private async Task<int> TakeOne()
    {
        var key = (await queue.Take(1, Any))[0];
        if (key.StartsWith("bad", StringComparison.Ordinal))
        {
            queue.Retry(key);
            return 0;
        }
        queue.Done(key);
        return 1;
    }

    private bool IsSomethingQueued(out IReadOnlyList<string> keys)
    {
        using var now = new CancellationTokenSource();
        var next = queue.Take(1, now.Token);
        keys = next.IsCompletedSuccessfully ? next.Result : [];
        now.Cancel();
        return keys.Count > 0;
    }

    private double SecondsUntilTaken()
    {
        for (var waited = 0.0; ; waited += 0.1)
        {
            if (IsSomethingQueued(out _))
                return waited;
            time.Advance(TimeSpan.FromSeconds(0.1));
        }
    }
}
