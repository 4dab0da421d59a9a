using Kuik.ImageFetcher;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.ImageFetcher;

public sealed class AcknowledgementDeadlineTests
{
    private static readonly FetcherOptions Settings = new("us", TimeSpan.FromMinutes(2), MaxConcurrentImages: 1);

    private readonly FakeTimeProvider time = new();
    private readonly ApplicationLifetime lifetime = new(NullLogger<ApplicationLifetime>.Instance);
    private readonly AcknowledgementDeadline announcements;

    public AcknowledgementDeadlineTests() =>
        announcements = new AcknowledgementDeadline(Settings, lifetime, time, NullLogger<AcknowledgementDeadline>.Instance);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_message_is_held_until_its_work_has_ended()
    {
        var work = new TaskCompletionSource();

        var message = announcements.Process("image", _ => work.Task, Stop);
        var heldMeanwhile = !message.IsCompleted;
        work.SetResult();

        Assert.True(heldMeanwhile);
        await message;
    }

    [Fact]
    public async Task Work_that_fails_fails_its_message()
    {
        await Assert.ThrowsAsync<InvalidOperationException>(() =>
            announcements.Process("image", _ => Task.FromException(new InvalidOperationException()), Stop));
    }

    [Fact]
    public async Task Long_before_the_broker_would_lose_patience_the_message_is_acknowledged_and_the_work_goes_on()
    {
        var (work, ended) = (new TaskCompletionSource(), CancellationToken.None);
        var message = announcements.Process("image", stop => { ended = stop; return work.Task; }, Stop);

        time.Advance(AcknowledgementDeadline.Longest);

        await message;
        Assert.False(ended.IsCancellationRequested);
        Assert.False(work.Task.IsCompleted);
    }

    [Fact]
    public async Task Messages_beyond_the_few_that_are_held_are_acknowledged_at_once_and_their_work_begins()
    {
        var (work, begun) = (new TaskCompletionSource(), 0);
        var held = Enumerable.Range(0, AcknowledgementDeadline.MostHeld(Settings))
            .Select(_ => announcements.Process("image", _ => work.Task, Stop)).ToList();

        await announcements.Process("image", _ => { begun++; return work.Task; }, Stop);
        Assert.All(held, message => Assert.False(message.IsCompleted));
        work.SetResult();
        await Task.WhenAll(held);
        var next = announcements.Process("image", _ => new TaskCompletionSource().Task, Stop);

        Assert.Equal(1, begun);
        Assert.False(next.IsCompleted);   // there is room again
    }

    [Fact]
    public async Task What_is_announced_beyond_all_measure_is_left_for_later()
    {
        var (work, begun) = (new TaskCompletionSource(), 0);
        Task Work(CancellationToken ct)
        {
            begun++;
            return work.Task.WaitAsync(ct);
        }
        var messages = Enumerable.Range(0, AcknowledgementDeadline.MostWork + 10).Select(_ => announcements.Process("image", Work, Stop))
            .ToList();

        work.SetResult();
        await Task.WhenAll(messages);

        Assert.Equal(AcknowledgementDeadline.MostWork, begun);
    }

    [Fact]
    public async Task When_the_process_stops_the_work_ends_first_and_the_message_goes_back_when_the_bus_lets_go_of_it()
    {
        using var bus = new CancellationTokenSource();
        var gaveBack = new TaskCompletionSource();
        var message = announcements.Process("image", stop => GiveBackAtTheEnd(gaveBack, stop), bus.Token);

        lifetime.StopApplication();
        await gaveBack.Task;
        await announcements.StopAsync(Stop);
        var heldUntilThen = !message.IsCompleted;
        await bus.CancelAsync();

        Assert.True(heldUntilThen);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => message);
    }

    [Fact]
    public async Task The_process_waits_for_work_that_goes_on_without_its_message()
    {
        var lease = new TaskCompletionSource();
        var message = announcements.Process("image", async stop =>
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await lease.Task;
        }, Stop);
        time.Advance(AcknowledgementDeadline.Longest);
        await message;

        lifetime.StopApplication();
        var stopping = announcements.StopAsync(Stop);
        var waited = !stopping.IsCompleted;
        lease.SetResult();

        Assert.True(waited);
        await stopping;
    }

    [Fact]
    public async Task When_the_line_to_the_broker_breaks_the_work_goes_on()
    {
        using var line = new CancellationTokenSource();
        var (work, ended) = (new TaskCompletionSource(), CancellationToken.None);
        var message = announcements.Process("image", stop => { ended = stop; return work.Task; }, line.Token);

        await line.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => message);
        Assert.False(ended.IsCancellationRequested);
    }

    private async Task GiveBackAtTheEnd(TaskCompletionSource gaveBack, CancellationToken ct)
    {
        try
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, time, ct);
        }
        finally
        {
            gaveBack.SetResult();
        }
    }
}
