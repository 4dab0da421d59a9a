using Kuik.Contracts;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// The rows of the work table that say when the cache registry is next looked at for an image (<see cref="WorkKind.Verify"/>). Every image
/// that is recorded as cached has one. The looks are spread over the interval by chance, so that they do not come in bursts.
/// </summary>
public static class VerificationWork
{
    internal const string OpenMissingQuery = """
        with page as (select image, state from kuik.image_states where image > $1 order by image limit $2),
        opened as (
            insert into kuik.work (kind, image, wake_at, attempt)
            select kind, image, now() + $3::interval * random(), 0
            from page, unnest(array['verify', 'refresh']) as kinds(kind) where state ->> 'phase' = $4
            on conflict (image, kind) do nothing)
        select coalesce(max(image), ''), count(*) from page
        """;

    internal const string BringForwardQuery = """
        update kuik.work set wake_at = now() + $1::interval * random() where kind = 'verify' and wake_at > now() + $1::interval * 1.2
        """;

    internal const string MakeDueQuery = """
        with next as (select image from kuik.work where kind = 'verify' and wake_at > now() order by wake_at limit 1000),
        chosen as (
            select image from next order by exists (select from kuik.image_users u where u.image = next.image) desc limit $1)
        update kuik.work set wake_at = now() from chosen where work.image = chosen.image and work.kind = 'verify'
        """;

    /// <summary>Takes images that are to be looked at now, longest due first. Each is due again after about the interval.</summary>
    /// <param name="postgres">The event log.</param>
    /// <param name="limit">How many at most.</param>
    /// <param name="interval">Time between two looks at an image.</param>
    /// <param name="ct">Ends it.</param>
    public static Task<IReadOnlyList<string>> Take(NpgsqlDataSource postgres, int limit, TimeSpan interval, CancellationToken ct) =>
        DueImages.Take(postgres, WorkKind.Verify, limit, interval, spread: 0.1, ct);

    /// <summary>The cache registry could not be looked at for these images: they are due again after the pause.</summary>
    public static async Task PutOff(NpgsqlDataSource postgres, IReadOnlyList<string> images, TimeSpan pause, CancellationToken ct)
    {
        await using var command = postgres.CreateCommand(
            "update kuik.work set wake_at = now() + $1 where kind = 'verify' and image = any($2)");
        command.Parameters.Add(new() { Value = pause });
        command.Parameters.Add(new() { Value = images.ToArray() });
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Makes images due now that would be later: of the next thousand those that are used first.</summary>
    /// <param name="postgres">The event log.</param>
    /// <param name="count">How many.</param>
    /// <param name="ct">Ends it.</param>
    public static async Task MakeDue(NpgsqlDataSource postgres, int count, CancellationToken ct)
    {
        await using var command = postgres.CreateCommand(MakeDueQuery);
        command.Parameters.Add(new() { Value = count });
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Images that would be looked at later than the interval allows, because it was longer before, are looked at within
    /// it.</summary>
    public static async Task BringForward(NpgsqlDataSource postgres, TimeSpan interval, CancellationToken ct)
    {
        await using var command = postgres.CreateCommand(BringForwardQuery);
        command.Parameters.Add(new() { Value = interval });
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>
    /// Adds the rows that a page of images lacks, and those of <see cref="RefreshWork"/>: those that an earlier version recorded as
    /// cached, or whose work it has repaired.
    /// </summary>
    /// <param name="postgres">The event log.</param>
    /// <param name="after">The last image of the page before; empty for the first page.</param>
    /// <param name="size">How many images a page has at most.</param>
    /// <param name="interval">Time between two looks at an image.</param>
    /// <param name="ct">Ends it.</param>
    /// <returns>The last image of the page; empty after the last page.</returns>
    public static async Task<string> OpenMissing(
        NpgsqlDataSource postgres, string after, int size, TimeSpan interval, CancellationToken ct)
    {
        await using var command = postgres.CreateCommand(OpenMissingQuery);
        command.Parameters.Add(new() { Value = after });
        command.Parameters.Add(new() { Value = size });
        command.Parameters.Add(new() { Value = interval });
        command.Parameters.Add(new() { Value = nameof(ImagePhase.Cached) });
        await using var rows = await command.ExecuteReaderAsync(ct);
        return await rows.ReadAsync(ct) && rows.GetInt64(1) == size ? rows.GetString(0) : "";
    }
}
