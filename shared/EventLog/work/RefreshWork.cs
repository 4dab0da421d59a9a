using Kuik.Contracts;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// The rows of the work table that say when an image is next compared with its origin (<see cref="WorkKind.Refresh"/>). Every image that is
/// recorded as cached has one; without a policy and without a request it is never due.
/// </summary>
public static class RefreshWork
{
    internal const string PostponeQuery = """
        update kuik.work set wake_at = coalesce(now() + next.pause, 'infinity')
        from unnest($1::text[], $2::interval[]) as next (image, pause)
        where work.image = next.image and work.kind = 'refresh' and work.wake_at > now()
        """;

    /// <summary>Takes images that are due, longest due first. Each is due again when the lease is over, unless it is postponed.</summary>
    /// <param name="postgres">The event log.</param>
    /// <param name="limit">How many at most.</param>
    /// <param name="lease">The time in which they are looked at.</param>
    /// <param name="ct">Ends it.</param>
    public static Task<IReadOnlyList<string>> Take(NpgsqlDataSource postgres, int limit, TimeSpan lease, CancellationToken ct) =>
        DueImages.Take(postgres, WorkKind.Refresh, limit, lease, spread: 0, ct);

    /// <summary>Sets when images that were taken are due again. Those that have become due since stay due.</summary>
    /// <param name="postgres">The event log.</param>
    /// <param name="next">By image: after which time; null for never.</param>
    /// <param name="ct">Ends it.</param>
    public static async Task Postpone(NpgsqlDataSource postgres, IReadOnlyCollection<(string Image, TimeSpan? Pause)> next,
        CancellationToken ct)
    {
        await using var command = postgres.CreateCommand(PostponeQuery);
        command.Parameters.Add(new() { Value = next.Select(work => work.Image).ToArray() });
        command.Parameters.Add(new() { Value = next.Select(work => work.Pause).ToArray() });
        await command.ExecuteNonQueryAsync(ct);
    }
}
