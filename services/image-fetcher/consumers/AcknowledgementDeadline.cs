using System.Collections.Concurrent;

namespace Kuik.ImageFetcher;

/// <summary>
/// Acknowledges the message of announced work before the broker's limit. The broker holds a message back until it is acknowledged, so that
/// another replica gets it when this one is gone; but it closes the line when that takes too long (RabbitMQ: half an hour), and a replica
/// that waits for the work of a slow host takes no more. So only a few messages are held, and only for a while: then they are acknowledged,
/// and the work goes on without them. It is open in the log, and if this process dies, expiry announces it again. Injected as a singleton.
/// </summary>
public sealed partial class AcknowledgementDeadline(FetcherOptions options, IHostApplicationLifetime lifetime, TimeProvider time,
    ILogger<AcknowledgementDeadline> logger) : IHostedService
{
    /// <summary>How long a message is held: less than RabbitMQ's shortest recommended timeout, five minutes.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromMinutes(4);

    /// <summary>Work that waits and runs here at most; what is announced beyond it is dropped, for expiry to announce again.</summary>
    public const int MostWork = 5000;

    private readonly ConcurrentDictionary<Task, bool> _running = new();
    private int _held;

    /// <summary>How many messages are held at a time: what can run, and a few that wait.</summary>
    public static int MostHeld(FetcherOptions options) => options.MaxConcurrentImages + 5;

    /// <summary>Begins the work, and ends when its message is to be acknowledged.</summary>
    /// <param name="image">For the log.</param>
    /// <param name="work">Ended by its token when the process is to stop, and by nothing else.</param>
    /// <param name="ct">Ends the holding: the message is to be delivered again then.</param>
    /// <exception cref="OperationCanceledException">The message is not to be acknowledged.</exception>
    public async Task Process(string image, Func<CancellationToken, Task> work, CancellationToken ct)
    {
        if (_running.Count >= MostWork)
        {
            LogDropped(image, MostWork);
            return;
        }
        var task = work(lifetime.ApplicationStopping);
        _running[task] = true;
        _ = task.ContinueWith(ended => _running.TryRemove(ended, out _), CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        try
        {
            if (!await Hold(task, ct))
                _ = SayHowItEnds(image, task);
        }
        catch (OperationCanceledException) when (!task.IsCompleted)
        {
            _ = SayHowItEnds(image, task);   // the line to the broker broke: what is delivered again finds the work under way
            throw;
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>The process goes when all work has ended and given its leases back. How it ended is said elsewhere.</summary>
    public async Task StopAsync(CancellationToken cancellationToken) =>
        await Task.WhenAll(_running.Keys).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    /// <returns>False when the work goes on without its message.</returns>
    private async Task<bool> Hold(Task work, CancellationToken ct)
    {
        try
        {
            if (Interlocked.Increment(ref _held) > MostHeld(options) && !work.IsCompleted)
                return false;
            await work.WaitAsync(Longest, time, ct);
            return true;
        }
        catch (TimeoutException) when (!work.IsCompleted)
        {
            return false;
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            // The work has ended before the bus lets go of the message: only then does the message go back to the queue.
            await Task.Delay(Timeout.InfiniteTimeSpan, time, ct);
            throw;
        }
        finally
        {
            Interlocked.Decrement(ref _held);
        }
    }

    private async Task SayHowItEnds(string image, Task work)
    {
        try
        {
            await work;
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            // It is open in the log.
        }
        catch (Exception fault)
        {
            LogBroken(fault, image);
        }
    }

    [LoggerMessage(LogLevel.Warning, "{Image} was announced and is left for later: {Most} images wait here")]
    private partial void LogDropped(string image, int most);

    [LoggerMessage(LogLevel.Error, "{Image} is to be announced again: what was begun for it broke off")]
    private partial void LogBroken(Exception fault, string image);
}
