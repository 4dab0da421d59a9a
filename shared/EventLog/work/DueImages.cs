using Kuik.Contracts;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>Takes images by the kind of their due work, many at a time. Replicas that take at the same time take different ones.</summary>
internal static class DueImages
{
    internal const string TakeQuery = """
        with due as (
            select image from kuik.work where kind = $1 and wake_at <= now() order by wake_at limit $2 for update skip locked)
        update kuik.work set wake_at = now() + $3::interval * (1 + $4 * (2 * random() - 1)) from due
        where work.image = due.image and work.kind = $1
        returning work.image
        """;

    /// <summary>Takes images, longest due first. Each is due again after the pause.</summary>
    /// <param name="postgres">The event log.</param>
    /// <param name="kind">The kind of work.</param>
    /// <param name="limit">How many at most.</param>
    /// <param name="pause">The time until they are due again.</param>
    /// <param name="spread">The part of the pause by which it is longer or shorter by chance, 0 to 1.</param>
    /// <param name="ct">Ends it.</param>
    public static async Task<IReadOnlyList<string>> Take(NpgsqlDataSource postgres, WorkKind kind, int limit, TimeSpan pause, double spread,
        CancellationToken ct)
    {
        await using var command = postgres.CreateCommand(TakeQuery);
        foreach (var value in new object[] { WorkTable.NameOf(kind), limit, pause, spread })
            command.Parameters.Add(new() { Value = value });
        await using var rows = await command.ExecuteReaderAsync(ct);
        var images = new List<string>();
        while (await rows.ReadAsync(ct))
            images.Add(rows.GetString(0));
        return images;
    }
}
