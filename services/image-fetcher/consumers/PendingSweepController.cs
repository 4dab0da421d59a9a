using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.ImageFetcher.CopyEngine;
using Npgsql;

namespace Kuik.ImageFetcher;

/// <summary>
/// Sweeps the repositories of the cache from which images were evicted, once for many evictions (<see cref="PendingSweeps"/>). Every
/// replica does; a repository is swept by one of them. What fails, is interrupted or ends in doubt stays pending and is tried again later.
/// </summary>
public sealed partial class PendingSweepController(
    NpgsqlDataSource postgres, EventLogReady ready, RepositorySweeper engine, FetcherMetrics metrics, TimeProvider time,
    ILogger<PendingSweepController> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    /// <summary>Sweeps the repository that has waited longest, if one is due.</summary>
    /// <returns>False when none is due.</returns>
    /// <exception cref="NpgsqlException">Postgres is unreachable.</exception>
    public async Task<bool> SweepNext(CancellationToken ct)
    {
        await using var connection = await postgres.OpenConnectionAsync(ct);
        if (await PendingSweeps.Claim(connection, ct) is not { } pending)
            return false;
        try
        {
            await connection.CloseAsync();   // a sweep may take minutes
            var inUse = await FindDigestsInUse(pending.Repository, ct);
            var sweep = await engine.Sweep(pending.Repository, inUse, ct);
            metrics.CountSweep(sweep.Doubt is null ? "swept" : "doubt");
            await connection.OpenAsync(ct);
            if (sweep is { Doubt: null, Kept: > 0 })
                await PendingSweeps.Repeat(connection, pending, ct);   // what was kept for pods goes after them
            else if (sweep.Doubt is null)
                await PendingSweeps.Done(connection, pending, ct);
        }
        catch (CopyException failure)
        {
            ct.ThrowIfCancellationRequested();
            metrics.CountSweep(failure.Kind);
            LogFailed(pending.Repository, failure.Message);
        }
        return true;
    }

    private async Task<IReadOnlyList<string>> FindDigestsInUse(string repository, CancellationToken ct) =>
        CachePath.TryRead(repository, "latest", out var image, out _) ? await RunningDigests.FindInUse(postgres, image.Name, ct) : [];

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await ready.Wait(stoppingToken);
        using var timer = new PeriodicTimer(Interval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
            await SweepAll(stoppingToken);
    }

    private async Task SweepAll(CancellationToken ct)
    {
        try
        {
            while (await SweepNext(ct))
                continue;
        }
        catch (NpgsqlException error)
        {
            LogPostponed(error.Message);
        }
        catch (Exception error) when (!ct.IsCancellationRequested)
        {
            metrics.CountSweep(CopyException.Internal);
            LogUnforeseen(ExceptionSummary.WithStack(error));   // the repository stays pending
        }
    }

    [LoggerMessage(LogLevel.Warning, "{Repository} of the cache could not be swept and is swept later: {Reason}")]
    private partial void LogFailed(string repository, string reason);

    [LoggerMessage(LogLevel.Debug, "sweeps of the cache wait for Postgres: {Reason}")]
    private partial void LogPostponed(string reason);

    [LoggerMessage(LogLevel.Error, "a repository of the cache could not be swept and is swept later: {Fault}")]
    private partial void LogUnforeseen(string fault);
}
