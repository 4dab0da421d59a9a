using System.Globalization;
using Npgsql;

namespace Kuik.EventLog.Audit;

/// <summary>
/// The place up to which ended streams have been removed by <c>Kuik:Log:RetainFor</c>. From there on the log tells every state exactly;
/// before it, pods, workloads and images are missing that had ended by then.
/// </summary>
/// <param name="Sequence">The last removed event; 0 for none.</param>
/// <param name="RecordedAt">UTC: the latest time of a removed event; null for none.</param>
/// <param name="RemovedEvents">The number of removed events.</param>
/// <param name="RemovedStreams">The number of removed streams.</param>
public sealed record LogHorizon(long Sequence, DateTimeOffset? RecordedAt, long RemovedEvents, long RemovedStreams)
{
    /// <summary>Nothing was removed.</summary>
    public static readonly LogHorizon None = new(0, null, 0, 0);

    /// <summary>True when something was removed.</summary>
    public bool Exists => Sequence > 0;

    /// <summary>The log's horizon; <see cref="None"/> also of a log of a version before there was retention.</summary>
    public static async Task<LogHorizon> Read(NpgsqlConnection connection, CancellationToken ct)
    {
        await using (var exists = new NpgsqlCommand("select to_regclass('kuik.log_retention') is not null", connection))
            if (await exists.ExecuteScalarAsync(ct) is not true)
                return None;
        await using var command = new NpgsqlCommand(
            "select horizon, horizon_at, removed_events, removed_streams from kuik.log_retention where id = 1", connection);
        await using var row = await command.ExecuteReaderAsync(ct);
        return await row.ReadAsync(ct)
            ? new LogHorizon(row.GetInt64(0), row.IsDBNull(1) ? null : row.GetFieldValue<DateTimeOffset>(1), row.GetInt64(2),
                row.GetInt64(3))
            : None;
    }

    /// <summary>Checks that the state at a place can be told.</summary>
    /// <param name="place">A sequence number.</param>
    /// <param name="time">The time that it was found by; null for none.</param>
    /// <exception cref="HistoryRemovedException">It cannot.</exception>
    public void EnsureKnown(long place, DateTimeOffset? time)
    {
        if (Exists && (place < Sequence || time < RecordedAt))
            throw new HistoryRemovedException(string.Create(CultureInfo.InvariantCulture,
                $"the state before {this} is not known any more: pods, workloads and images that had ended by then "
                    + $"were removed (Kuik:Log:RetainFor). Ask about a later time, or import an export from before (kuik import)"));
    }

    /// <summary>For a sentence, when what ended after this place may be missing; else null.</summary>
    public string? After(long place) => Exists && place < Sequence ? ToString() : null;

    /// <summary>For a sentence: <c>event 120 (2026-03-01T12:00:00Z)</c>.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"event {Sequence} ({RecordedAt:yyyy-MM-ddTHH:mm:ssZ})");
}
