using Kuik.EventLog.Audit;

namespace Kuik.Expiry.Audit;

/// <summary>The settled end of the log, looked up for all streams together at most four times a second. A singleton.</summary>
public sealed class LogEnd(AuditPool pool, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan Freshness = TimeSpan.FromMilliseconds(250);

    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly SettledEnd _settled = new();
    private long _found;

    /// <summary>The last sequence number before which no transaction may append any more; 0 until one was found.</summary>
    /// <exception cref="Npgsql.NpgsqlException">Postgres fails.</exception>
    public async Task<long> Find(CancellationToken ct)
    {
        await _gate.WaitAsync(ct);
        try
        {
            if (_found != 0 && time.GetElapsedTime(_found) < Freshness)
                return _settled.Sequence;
            await using var connection = await pool.Open(ct);
            await _settled.Advance(new EventPositions(connection), ct);
            _found = time.GetTimestamp();
            return _settled.Sequence;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _gate.Dispose();
}
