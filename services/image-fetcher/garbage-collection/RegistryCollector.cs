using System.ComponentModel;
using System.Diagnostics;
using Kuik.EventLog;
using Kuik.Hosting;
using Npgsql;

namespace Kuik.ImageFetcher.GarbageCollection;

/// <summary>
/// Runs the cache registry's own garbage collector while no replica writes: it holds <see cref="GarbageCollectionLease"/> exclusively, so
/// copies and evictions wait, while pulls are served. The collector is killed when the lease is lost, at its time limit and on shutdown;
/// freed space stays freed, and referenced content is never removed, so that the next run continues from there.
/// </summary>
internal sealed partial class RegistryCollector(
    GarbageCollectionLease lease, GarbageCollectionOptions options, TimeProvider time, ILogger<RegistryCollector> logger)
{
    /// <summary>Runs one collection.</summary>
    /// <returns>0; <see cref="ExitCodes.TryAgain"/> when the lease was not available or was lost, or the time limit was reached;
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

    /// <summary>Runs none, because nothing was ever copied.</summary>
    /// <returns>0.</returns>
    public int SkipEmpty()
    {
        LogEmpty();
        return 0;
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

    /// <summary>Runs the collector, whose output is this process's own. It has ended when this returns or throws.</summary>
    private async Task<int> RunCommand(CancellationToken ct)
    {
        using var collector = Process.Start(new ProcessStartInfo(options.Command[0], options.Command.Skip(1)) { UseShellExecute = false })!;
        try
        {
            await collector.WaitForExitAsync(ct);
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
        "Waiting for the garbage collection lease: new copies wait; running ones may take up to {Patience}")]
    private partial void LogAsks(TimeSpan patience);

    [LoggerMessage(LogLevel.Information, "Garbage collection skipped: the registry has no repository yet")]
    private partial void LogEmpty();

    [LoggerMessage(LogLevel.Information, "Garbage collection started, copies wait: {Command}")]
    private partial void LogStarts(string command);

    [LoggerMessage(LogLevel.Information, "Garbage collection finished after {Seconds:0.0} s")]
    private partial void LogCollected(double seconds);

    [LoggerMessage(LogLevel.Warning,
        "Garbage collection skipped: running copies took longer than {Patience} (Kuik:GarbageCollection:Patience); run it again")]
    private partial void LogBusy(TimeSpan patience);

    [LoggerMessage(LogLevel.Warning,
        "Garbage collection stopped: the lease in Postgres is not available or was lost ({Reason}); run it again")]
    private partial void LogLost(string reason);

    [LoggerMessage(LogLevel.Warning,
        "Garbage collection stopped after {Limit} (Kuik:GarbageCollection:Limit); freed space stays freed; run it again")]
    private partial void LogTooLong(TimeSpan limit);

    [LoggerMessage(LogLevel.Warning, "Garbage collection stopped by a signal; freed space stays freed; run it again")]
    private partial void LogStopped();

    [LoggerMessage(LogLevel.Error, "Collector {Program} failed: {Reason}")]
    private partial void LogFailed(string program, string reason);
}
