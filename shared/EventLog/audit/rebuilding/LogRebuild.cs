using Kuik.Contracts;
using Npgsql;

namespace Kuik.EventLog.Audit;

/// <summary>
/// Rebuilds everything in Postgres that is derived from the log, while services append: folds the log in memory, compares the rows with
/// the fold, and replaces the wrong ones in one short transaction that keeps writers out. docs/decisions/0025-rebuild.md.
/// </summary>
/// <param name="connection">Open; without a transaction, and not read-only. Used for nothing else meanwhile: it holds the lock that keeps
/// a second rebuild out, so that the loss of the connection is the end of both.</param>
/// <param name="time">For waits and durations.</param>
public sealed class LogRebuild(NpgsqlConnection connection, TimeProvider time)
{
    /// <summary>The advisory lock of a rebuild.</summary>
    internal const string LockName = "rebuild";

    /// <summary>Fewer events than these are read with writers kept out.</summary>
    private const long FewEvents = 500;

    private const int CatchUps = 20;

    /// <summary>A lock takes room in Postgres' table of locks, which all sessions share.</summary>
    private const int LockedImages = 2000;

    /// <summary>The first attempt to keep writers out waits this long for those that are at work, each further one twice as long: writers
    /// that begin meanwhile wait as well. The longest is above Postgres' deadlock_timeout, after which autovacuum gives way.</summary>
    private static readonly TimeSpan FirstWait = TimeSpan.FromMilliseconds(250);

    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly EventPositions _positions = new(connection);
    private readonly FoldedLog _log = new();
    private readonly List<string> _skipped = [];

    /// <summary>Rebuilds.</summary>
    /// <param name="progress">Gets the sequence number of the last event that was read; null for none.</param>
    /// <param name="ct">Cancels it; nothing is changed then.</param>
    /// <exception cref="RebuildRefusedException">Another rebuild is running, the tables are of an earlier version, or writers could not
    /// be kept out.</exception>
    /// <exception cref="TimeoutException">A transaction that may append is open for longer than
    /// <see cref="EventPositions.LongestWait"/>.</exception>
    /// <exception cref="NpgsqlException">Postgres fails. Nothing is changed.</exception>
    public async Task<RebuildResult> Run(IProgress<long>? progress, CancellationToken ct)
    {
        if (!await Ask($"select pg_try_advisory_lock({AdvisoryLocks.KeyOf(LockName)})", ct))
            throw new RebuildRefusedException("another rebuild is running: this one has changed nothing");
        try
        {
            if (!await Ask("select to_regclass('kuik.rebuilds') is not null", ct))
                throw new RebuildRefusedException("the event log's tables are of an earlier version: run pod-watcher migrate");
            await _positions.HoldHorizon(ct);   // the fold would bring back what retention removes meanwhile
            await Follow(progress, ct);
            await CatchUp(progress, ct);
            var parts = await FindParts(ct);
            _log.Touched = new TouchedKeys();
            var candidates = new Dictionary<IRebuiltPart, IReadOnlyCollection<string>>();
            foreach (var part in parts)
                candidates.Add(part, await part.FindDifferent(connection, _log, null, ct));
            await CatchUp(progress, ct);
            return await ReplaceWithoutWriters(candidates, ct);
        }
        finally
        {
            if (connection.State == System.Data.ConnectionState.Open)
            {
                await _positions.ReleaseHorizon(CancellationToken.None);
                await Ask($"select pg_advisory_unlock({AdvisoryLocks.KeyOf(LockName)})", CancellationToken.None);
            }
        }
    }

    private async Task<IReadOnlyList<IRebuiltPart>> FindParts(CancellationToken ct)
    {
        List<IRebuiltPart> parts = [new RebuiltUsage(), new RebuiltSnapshots(), new RebuiltWork(), new RebuiltRepositories()];
        if (await RebuiltViews.IsProjected(connection, ct))
            parts.Add(new RebuiltViews());
        else
            _skipped.Add("views of images: pod-watcher of this version has not projected any; it does when it runs");
        return parts;
    }

    // Up to a place below which no transaction appends any more.
    private async Task<long> Follow(IProgress<long>? progress, CancellationToken ct)
    {
        var (before, end) = (_log.State.Events, await _positions.WaitForSettledEnd(time, ct));
        await Apply(new EventQuery { After = _log.State.Sequence, Until = end, ForFold = true }, progress, ct);
        return _log.State.Events - before;
    }

    private async Task CatchUp(IProgress<long>? progress, CancellationToken ct)
    {
        for (var i = 0; i < CatchUps && await Follow(progress, ct) > FewEvents; i++)
            continue;
    }

    private async Task Apply(EventQuery query, IProgress<long>? progress, CancellationToken ct)
    {
        await foreach (var one in new EventReader(connection).Read(query, ct))
        {
            _log.Apply(one);
            progress?.Report(one.Sequence);
        }
    }

    private async Task<RebuildResult> ReplaceWithoutWriters(
        Dictionary<IRebuiltPart, IReadOnlyCollection<string>> candidates, CancellationToken ct)
    {
        var began = time.GetTimestamp();
        for (var wait = FirstWait; ; wait = wait * 2 < LongestWait ? wait * 2 : LongestWait)
        {
            await Follow(null, ct);
            await using var transaction = await connection.BeginTransactionAsync(ct);
            await LockImages(candidates, ct);
            var asked = time.GetTimestamp();
            if (await TryKeepWritersOut(candidates.Keys.SelectMany(part => part.Tables), wait, ct))
            {
                var waited = time.GetElapsedTime(asked);
                var parts = await Replace(candidates, ct);
                await transaction.CommitAsync(ct);
                var locked = time.GetElapsedTime(asked) - waited;
                _skipped.AddRange(_log.State.Unreadable.Select(type =>
                    $"{type.Value} events {type.Key}: this version cannot read them; the rows of their images are left as they are"));
                return new RebuildResult(_log.State.Sequence, _log.State.Events, parts, waited, locked, _skipped);
            }
            await transaction.RollbackAsync(ct);
            if (time.GetElapsedTime(began) > Patience)
                throw new RebuildRefusedException(
                    $"writers could not be kept out for {Patience.TotalMinutes:0} minutes: a transaction holds one of the tables; nothing "
                    + "was changed");
            await Task.Delay(Pause, time, ct);
        }
    }

    // A decision that found no row of a user, which is about to get one, ends first; it would otherwise be recorded after the row.
    private async Task LockImages(Dictionary<IRebuiltPart, IReadOnlyCollection<string>> candidates, CancellationToken ct)
    {
        var users = candidates.Where(part => part.Key is RebuiltUsage).SelectMany(part => part.Value);
        var images = users.Select(key => _log.State.Users.GetValueOrDefault(key)).OfType<UserRecord>().SelectMany(user => user.References);
        await AdvisoryLocks.Share(connection, images.Distinct().Take(LockedImages).Select(StreamName.OfImage), ct);
    }

    /// <summary>Waits for the transactions that write and lets no other one begin to, until the end of this one. Readers go on.</summary>
    private async Task<bool> TryKeepWritersOut(IEnumerable<string> tables, TimeSpan wait, CancellationToken ct)
    {
        try
        {
            await using var command = new NpgsqlCommand($"""
                set local lock_timeout = '{wait.TotalMilliseconds:0}ms';
                lock table {string.Join(", ", tables.Prepend("kuik.mt_streams").Prepend("kuik.mt_events"))} in share row exclusive mode;
                set local lock_timeout = 0
                """, connection) { CommandTimeout = 0 };
            await command.ExecuteNonQueryAsync(ct);
            return true;
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected)
        {
            return false;
        }
    }

    private async Task<IReadOnlyDictionary<string, int>> Replace(
        Dictionary<IRebuiltPart, IReadOnlyCollection<string>> candidates, CancellationToken ct)
    {
        // All of them are committed: there is no writer.
        await Apply(new EventQuery { After = _log.State.Sequence, ForFold = true }, null, ct);
        var counts = new Dictionary<string, int>();
        foreach (var (part, found) in candidates)
        {
            // Rows that were right when they were compared, and are not touched since, are right.
            var keys = found.Union(part.KeysOf(_log.Touched!)).ToList();
            var different = keys.Count == 0 ? [] : await part.FindDifferent(connection, _log, keys, ct);
            counts[part.Name] = different.Count == 0 ? 0 : await part.Replace(connection, _log, different, ct);
        }
        if (counts.Values.Any(count => count > 0))
            await Rebuilds.Add(connection, _log.State.Sequence, ct);
        return counts;
    }

    private async Task<bool> Ask(string sql, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(ct) is true;
    }
}
