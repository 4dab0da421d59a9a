namespace Kuik.EventLog.Audit;

/// <summary>The end of a log that grows, as far as no open transaction may append before it. Never waits, and so stays behind while such a
/// transaction is open. Not thread-safe.</summary>
public sealed class SettledEnd
{
    private (long Bound, long Last)? _candidate;

    /// <summary>The sequence number; 0 until it was found once.</summary>
    public long Sequence { get; private set; }

    /// <summary>The last event that was visible at the last look, settled or not.</summary>
    public long Last { get; private set; }

    /// <summary>Looks at the log again.</summary>
    /// <returns>The sequence number.</returns>
    public async Task<long> Advance(EventPositions positions, CancellationToken ct)
    {
        var (oldestOpen, nextOpen, last) = await positions.ReadHorizon(ct);
        Advance(oldestOpen, nextOpen, last);
        return Sequence;
    }

    /// <summary>The same from what was seen.</summary>
    internal void Advance(long oldestOpen, long nextOpen, long last)
    {
        Last = last;
        if (_candidate is { } candidate && oldestOpen >= candidate.Bound)
            (Sequence, _candidate) = (candidate.Last, null);
        if (oldestOpen >= nextOpen)
            (Sequence, _candidate) = (last, null);
        else
            _candidate ??= (nextOpen, last);
    }
}
