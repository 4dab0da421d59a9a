using Npgsql;

namespace Kuik.EventLog;

/// <summary>Requests in the <see cref="WorkTable"/> that no replica has claimed yet and whose only announcement so far is their own
/// event.</summary>
public static class UnclaimedRequests
{
    private const string Query = """
        select image, wake_at from kuik.work
        where kind = 'fetch' and wake_at > now() and wake_at <= now() + $2 and attempt = 0 and leased_by is null
        order by wake_at limit $1
        """;

    /// <summary>Reads them, the oldest first.</summary>
    /// <param name="postgres">The event log.</param>
    /// <param name="limit">The limit of results.</param>
    /// <param name="ct">Cancels it.</param>
    /// <returns>The normalised references, and when expiry will announce each (UTC).</returns>
    public static async Task<IReadOnlyList<(string Image, DateTimeOffset Due)>> Read(NpgsqlDataSource postgres, int limit,
        CancellationToken ct)
    {
        await using var command = postgres.CreateCommand(Query);
        command.Parameters.Add(new() { Value = limit });
        command.Parameters.Add(new() { Value = SchedulingOptions.FirstAnnouncement });
        await using var rows = await command.ExecuteReaderAsync(ct);
        var requests = new List<(string, DateTimeOffset)>();
        while (await rows.ReadAsync(ct))
            requests.Add((rows.GetString(0), rows.GetFieldValue<DateTimeOffset>(1)));
        return requests;
    }
}
