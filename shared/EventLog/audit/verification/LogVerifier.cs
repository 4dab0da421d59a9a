using Npgsql;

namespace Kuik.EventLog.Audit;

/// <summary>
/// Folds the whole log and compares the fold with everything in Postgres that is derived from it. Changes nothing. All of it is read in one
/// transaction with repeatable reads: events and what changes with them are of the same instant.
/// </summary>
/// <param name="connection">In such a transaction.</param>
/// <param name="beside">Another one in a transaction with the same snapshot, for what Postgres can count while the log is folded; null for
/// one after the other.</param>
public sealed class LogVerifier(NpgsqlConnection connection, NpgsqlConnection? beside = null)
{
    /// <summary>Compares.</summary>
    /// <param name="progress">Gets the number of events read so far, after each thousand; null for none.</param>
    /// <param name="ct">Cancels it.</param>
    /// <exception cref="NpgsqlException">Postgres fails.</exception>
    public async Task<LogVerification> Verify(IProgress<long>? progress, CancellationToken ct)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var streams = beside is null ? null : new StreamComparison(beside).Compare(end.Token);
        try
        {
            return await Verify(streams, progress, ct);
        }
        finally
        {
            // After a failure of the fold its result is not needed; the connection is free again then.
            await end.CancelAsync();
            await ((Task?)streams ?? Task.CompletedTask).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<LogVerification> Verify(Task<IReadOnlyList<LogDifference>>? streams, IProgress<long>? progress, CancellationToken ct)
    {
        var snapshots = new SnapshotComparison(connection);
        await snapshots.ReadOutdated(ct);
        var (state, differences) = (new ReplayedState(), new List<LogDifference>());
        await foreach (var one in new EventReader(connection).Read(new EventQuery { ForFold = true }, ct))
        {
            state.Apply(one);
            snapshots.Follow(one, state);
            if (StreamComparison.FindForeign(one) is { } foreign)
                differences.Add(foreign);
            if (state.Events % 1000 == 0)
                progress?.Report(state.Events);
        }
        var (views, work) = (new ViewComparison(connection), new WorkComparison(connection));
        differences.AddRange(await (streams ?? new StreamComparison(connection).Compare(ct)));
        differences.AddRange(await snapshots.Compare(state, ct));
        differences.AddRange(await new UsageComparison(connection).Compare(state, ct));
        differences.AddRange(await work.Compare(state, ct));
        differences.AddRange(await views.Compare(state, ct));
        return new LogVerification(state, differences,
        [
            .. state.Unreadable.Select(type =>
                $"{type.Value} events {type.Key}: this version cannot read them; their images are not compared"),
            .. snapshots.Skipped, .. views.Skipped,
        ]);
    }
}
