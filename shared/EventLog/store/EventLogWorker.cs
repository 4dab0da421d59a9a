using Kuik.Hosting;
using Microsoft.Extensions.Hosting;

namespace Kuik.EventLog;

/// <summary>
/// A hosted service that makes one pass after another over the event log. While Postgres fails, whatever the cause, it waits longer after each
/// pass, says the cause once (<see cref="PostgresAvailability"/>) and goes on by itself. Any other exception ends the process.
/// </summary>
/// <param name="name">What it is, for the log and readiness: <c>image sweep</c>.</param>
/// <param name="interval">From one pass to the next.</param>
/// <param name="ready">Awaited before the first pass.</param>
/// <param name="availability">Told of each pass.</param>
/// <param name="time">The clock of the pauses.</param>
public abstract class EventLogWorker(
    string name, TimeSpan interval, EventLogReady ready, PostgresAvailability availability, TimeProvider time) : BackgroundService
{
    /// <summary>The longest pause while Postgres fails: it may be back at any moment.</summary>
    internal static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(15);

    private readonly BackOff _backOff = new(time, LongestPause);

    /// <summary>One pass. What it throws when Postgres fails is handled by the caller.</summary>
    protected abstract Task RunPass(CancellationToken ct);

    /// <summary>One pass, with what follows from its failure.</summary>
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
            throw new OperationCanceledException("the service ends", fault, ct);   // what breaks off in the middle says so in many ways
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
