using Kuik.Hosting;
using Microsoft.Extensions.Hosting;

namespace Kuik.EventLog;

/// <summary>
/// A hosted service that runs passes over the event log. While Postgres fails, for whatever cause, it waits longer after each pass, logs
/// the cause once (<see cref="PostgresAvailability"/>) and continues by itself. Any other exception ends the process.
/// </summary>
/// <param name="name">Its name for the log and readiness: <c>image sweep</c>.</param>
/// <param name="interval">The time from one pass to the next.</param>
/// <param name="ready">Awaited before the first pass.</param>
/// <param name="availability">Gets the outcome of each pass.</param>
/// <param name="time">The clock of the pauses.</param>
public abstract class EventLogWorker(
    string name, TimeSpan interval, EventLogReady ready, PostgresAvailability availability, TimeProvider time) : BackgroundService
{
    /// <summary>The longest pause while Postgres fails: it may be back at any moment.</summary>
    internal static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(15);

    /// <summary>The clock of pauses within a pass.</summary>
    protected TimeProvider Time => time;

    private readonly BackOff _backOff = new(time, LongestPause);

    /// <summary>Runs one pass. Exceptions of Postgres are handled by the caller.</summary>
    protected abstract Task RunPass(CancellationToken ct);

    /// <summary>Runs one pass, and handles its failure.</summary>
    /// <returns>The pause before the next one.</returns>
    internal async Task<TimeSpan> RunPassOrBackOff(CancellationToken ct)
    {
        try
        {
            await RunPass(ct);
            availability.ReportSuccess(name);
            _backOff.Reset();
            return interval;
        }
        catch (Exception fault) when (ct.IsCancellationRequested)
        {
            throw new OperationCanceledException("the service ends", fault, ct);   // an interrupted call may throw various exceptions
        }
        catch (Exception fault) when (EventLogFault.MeansAway(fault))
        {
            availability.ReportFailure(name, fault);
            return _backOff.Next();
        }
    }

    /// <inheritdoc/>
    protected sealed override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await ready.Wait(stoppingToken);
        while (true)
            await Task.Delay(await RunPassOrBackOff(stoppingToken), time, stoppingToken);
    }
}
