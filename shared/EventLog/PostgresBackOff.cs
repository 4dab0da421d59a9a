namespace Kuik.EventLog;

/// <summary>Pauses between attempts while Postgres fails: 1 s, then twice as long each time up to 15 s, each between half and all of it, so that
/// replicas drift apart.</summary>
internal sealed class PostgresBackOff
{
    private static readonly TimeSpan _first = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _longest = TimeSpan.FromSeconds(15);

    private TimeSpan _next = _first;

    /// <summary>An attempt succeeded: the next pause is a short one.</summary>
    public void Reset() => _next = _first;

    /// <summary>The pause after one more failed attempt.</summary>
    public TimeSpan Next()
    {
        // CA5394: no secret depends on this.
#pragma warning disable CA5394
        var pause = _next * (0.5 + (Random.Shared.NextDouble() / 2));
#pragma warning restore CA5394
        _next = _next * 2 < _longest ? _next * 2 : _longest;
        return pause;
    }
}
