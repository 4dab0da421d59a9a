using System.ComponentModel;
using System.Diagnostics;
using Kuik.EventLog;
using Kuik.Hosting;
using Npgsql;

namespace Kuik.ImageFetcher.GarbageCollection;

/// <summary>
/// Runs the cache registry's own garbage collector while no one writes: it holds <see cref="GarbageCollectionLease"/> exclusively, so
/// copies and evictions wait, and pulls
/// are served meanwhile. The collector is killed when the lease is lost, when its time is over and when this process is told to stop;
/// what has been freed stays freed, and
/// what is referenced is never touched, so that the next run goes on from there.
/// </summary>
internal sealed partial class RegistryCollector(
    GarbageCollectionLease lease, GarbageCollectionOptions options, TimeProvider time, ILogger<RegistryCollector> logger)
{
    /// <summary>Collects once.</summary>
    /// <returns>0; <see cref="ExitCodes.TryAgain"/> when the lease could not be had or was lost, or the time was over;
    /// <see cref="ExitCodes.Failed"/> when the collector failed.</returns>
    public async Task<int> Collect(CancellationToken ct)
    {
        try
        {
            LogAsks(options.Patience);
            await using var held = await lease.TakeForCollection(options.Patience, ct);
            if (held is not null)
                return await CollectWhileHeld(held, ct);
            LogBusy(options.Patience);
            return ExitCodes.TryAgain;
        }
        catch (NpgsqlException away)
        {
            LogLost(EventLogFault.ReasonOf(away));
            return ExitCodes.TryAgain;
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            LogStopped();
            return ExitCodes.TryAgain;
        }
    }

    private async Task<int> CollectWhileHeld(HeldLock held, CancellationToken ct)
    {
        var began = time.GetTimestamp();
        using var limit = new CancellationTokenSource(options.Limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, ct);
        var code = 0;
        try
        {
            LogStarts(string.Join(' ', options.Command));
            await held.RunWhileHeld(async stop => code = await RunCommand(stop), time, either.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            LogTooLong(options.Limit);
            return ExitCodes.TryAgain;
        }
        catch (Win32Exception unknown)
        {
            LogFailed(options.Command[0], unknown.Message);
            return ExitCodes.Failed;
        }
        if (code == 0)
            LogCollected(time.GetElapsedTime(began).TotalSeconds);
        else
            LogFailed(options.Command[0], $"exit code {code}; its own output is above");
        return code == 0 ? 0 : ExitCodes.Failed;
    }

    /// <summary>The collector's output is this process's own. It has ended when this returns or throws.</summary>
    private async Task<int> RunCommand(CancellationToken stop)
    {
        using var collector = Process.Start(new ProcessStartInfo(options.Command[0], options.Command.Skip(1)) { UseShellExecute = false })!;
        try
        {
            await collector.WaitForExitAsync(stop);
        }
        catch (OperationCanceledException)
        {
            collector.Kill(entireProcessTree: true);
            await collector.WaitForExitAsync(CancellationToken.None);
            throw;
        }
        return collector.ExitCode;
    }

    [LoggerMessage(LogLevel.Information,
        "asks for the garbage collection lease: new copies wait, those under way are waited for up to {Patience}")]
    private partial void LogAsks(TimeSpan patience);

    [LoggerMessage(LogLevel.Information, "garbage collection starts, copies wait: {Command}")]
    private partial void LogStarts(string command);

    [LoggerMessage(LogLevel.Information, "garbage collection ended after {Seconds:0.0} s")]
    private partial void LogCollected(double seconds);

    [LoggerMessage(LogLevel.Warning,
        "nothing is collected: copies under way took longer than {Patience} (Kuik:GarbageCollection:Patience); it is to be run again")]
    private partial void LogBusy(TimeSpan patience);

    [LoggerMessage(LogLevel.Warning,
        "garbage collection is stopped, because the lease in Postgres cannot be had or is lost ({Reason}); it is to be run again")]
    private partial void LogLost(string reason);

    [LoggerMessage(LogLevel.Warning,
        "garbage collection is stopped after {Limit} (Kuik:GarbageCollection:Limit); what was freed stays freed, it is to be run again")]
    private partial void LogTooLong(TimeSpan limit);

    [LoggerMessage(LogLevel.Warning, "garbage collection is stopped by a signal; what was freed stays freed, it is to be run again")]
    private partial void LogStopped();

    [LoggerMessage(LogLevel.Error, "the collector {Program} failed: {Reason}")]
    private partial void LogFailed(string program, string reason);
}
