using Npgsql;
using Weasel.Postgresql.Tables;

namespace Kuik.EventLog;

/// <summary>A repository of the cache with a pending sweep.</summary>
/// <param name="Repository">The path in the cache registry.</param>
/// <param name="Version">Changes with each recorded eviction.</param>
public sealed record PendingSweep(string Repository, long Version);

/// <summary>
/// The repositories of the cache from which a tag was removed since their last sweep: a work table, changed in the transaction that records
/// the eviction, so that a crash between an eviction and its sweep loses nothing. One sweep follows all evictions of a while.
/// </summary>
public static class PendingSweeps
{
    /// <summary>A sweep is due when nothing has been evicted from the repository for this long.</summary>
    public static readonly TimeSpan Quiet = TimeSpan.FromSeconds(10);

    /// <summary>A sweep is due at the latest this long after the first eviction.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromMinutes(5);

    /// <summary>The time after which a repository is swept again for what was kept.</summary>
    public static readonly TimeSpan AfterKept = TimeSpan.FromHours(1);

    /// <summary>Records that a tag was removed from the repository.</summary>
    /// <param name="connection">The connection of the transaction that records the eviction.</param>
    /// <param name="repository">The path in the cache registry.</param>
    /// <param name="ct">Cancels it.</param>
    public static async Task Note(NpgsqlConnection connection, string repository, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("""
            insert into kuik.pending_sweeps (repository, version, first_noted, last_noted, not_before, attempts)
            values ($1, 1, now(), now(), now(), 0)
            on conflict (repository) do update set version = pending_sweeps.version + 1, last_noted = now(),
                not_before = case pending_sweeps.attempts when 0 then now() else pending_sweeps.not_before end
            """, connection) { Parameters = { new() { Value = repository } } };
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>
    /// Claims the repository whose sweep has been due the longest; null for none. The claim lasts ten minutes, and after each attempt
    /// without <see cref="Done"/> twice as long, up to six hours.
    /// </summary>
    public static async Task<PendingSweep?> Claim(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("""
            update kuik.pending_sweeps set attempts = attempts + 1,
                not_before = now() + least(interval '10 minutes' * power(2, least(attempts, 10)), interval '6 hours')
            where repository = (
                select repository from kuik.pending_sweeps
                where not_before <= now() and (last_noted <= now() - $1 or first_noted <= now() - $2)
                order by first_noted limit 1 for update skip locked)
            returning repository, version
            """, connection) { Parameters = { new() { Value = Quiet }, new() { Value = Longest } } };
        await using var row = await command.ExecuteReaderAsync(ct);
        return await row.ReadAsync(ct) ? new PendingSweep(row.GetString(0), row.GetInt64(1)) : null;
    }

    /// <summary>Records a completed sweep. Evictions recorded meanwhile are followed by another sweep.</summary>
    public static async Task Done(NpgsqlConnection connection, PendingSweep sweep, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("""
            with swept as (delete from kuik.pending_sweeps where repository = $1 and version = $2 returning 1)
            update kuik.pending_sweeps set first_noted = now(), not_before = now(), attempts = 0
            where repository = $1 and version <> $2 and not exists (select from swept)
            """, connection) { Parameters = { new() { Value = sweep.Repository }, new() { Value = sweep.Version } } };
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Records a sweep that kept what pods run: another one is due after <see cref="AfterKept"/>, or after the next
    /// eviction.</summary>
    public static async Task Repeat(NpgsqlConnection connection, PendingSweep sweep, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("""
            update kuik.pending_sweeps set not_before = case version when $2 then now() + $3 else now() end, attempts = 0
            where repository = $1
            """, connection)
        {
            Parameters = { new() { Value = sweep.Repository }, new() { Value = sweep.Version }, new() { Value = AfterKept } },
        };
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>The table, created by Marten with its own.</summary>
    internal static Table Table()
    {
        var table = new Table("kuik.pending_sweeps");
        table.AddColumn<string>("repository").NotNull().AsPrimaryKey();
        table.AddColumn<long>("version").NotNull();
        table.AddColumn<DateTimeOffset>("first_noted").NotNull();
        table.AddColumn<DateTimeOffset>("last_noted").NotNull();
        table.AddColumn<DateTimeOffset>("not_before").NotNull();
        table.AddColumn<int>("attempts").NotNull();
        table.Indexes.Add(new IndexDefinition("pending_sweeps_not_before") { Columns = ["not_before"] });
        return table;
    }
}
