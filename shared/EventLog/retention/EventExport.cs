using Npgsql;

namespace Kuik.EventLog.Audit;

/// <summary>Records exports, for retention that waits for them (<c>Kuik:Log:ExportFirst</c>).</summary>
public static class EventExport
{
    /// <summary>Records that an export is safe.</summary>
    /// <param name="connection">Open; of a role that may write to <c>kuik.log_retention</c>. Its transactions may be read-only by
    /// default.</param>
    /// <param name="after">The export has all events after this place,</param>
    /// <param name="until">up to this one.</param>
    /// <param name="ct">Cancels it.</param>
    /// <returns>The place up to which exports are confirmed; lower than <paramref name="until"/> when there is a gap before
    /// <paramref name="after"/>.</returns>
    /// <exception cref="NpgsqlException">Postgres fails, or the role may not write.</exception>
    public static async Task<long> Confirm(NpgsqlConnection connection, long after, long until, CancellationToken ct)
    {
        await using (var command = new NpgsqlCommand("set default_transaction_read_only = off", connection))
            await command.ExecuteNonQueryAsync(ct);
        return await LogRetentionTable.ConfirmExport(connection, after, until, ct);
    }
}
