namespace Kuik.Kubernetes;

/// <summary>The pace of calls: so many a second, and a number of them at once after a pause. Callers get their turn in order. Thread
/// safe.</summary>
/// <param name="perSecond">How many a second in the long run.</param>
/// <param name="burst">How many at once.</param>
/// <param name="time">The clock.</param>
public sealed class TokenBucket(double perSecond, int burst, TimeProvider time)
{
    private readonly Lock _gate = new();
    private double _tokens = burst;
    private long _filled = time.GetTimestamp();

    /// <summary>Waits for the caller's turn.</summary>
    public async Task Take(CancellationToken ct)
    {
        var wait = Reserve();
        if (wait > TimeSpan.Zero)
            await Task.Delay(wait, time, ct);
    }

    private TimeSpan Reserve()
    {
        lock (_gate)
        {
            var now = time.GetTimestamp();
            _tokens = Math.Min(burst, _tokens + (time.GetElapsedTime(_filled, now).TotalSeconds * perSecond));
            _filled = now;
            _tokens--;
            return _tokens >= 0 ? TimeSpan.Zero : TimeSpan.FromSeconds(-_tokens / perSecond);
        }
    }
}
