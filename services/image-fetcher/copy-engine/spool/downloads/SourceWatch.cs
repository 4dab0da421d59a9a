namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Ends a download that is too slow. Only time spent waiting for the source counts, not the time of readers or the disk. Two limits: a
/// short one that applies while another source has not been tried, and a long one that always applies.
/// </summary>
internal sealed class SourceWatch : IAsyncDisposable
{
    /// <summary>The speed below which a source is replaced by another one.</summary>
    private static readonly (TimeSpan Window, long Bytes) Preferred = (TimeSpan.FromSeconds(10), 10 * 16 * 1024);

    /// <summary>The speed below which a download fails: 1 KiB/s over five minutes, as curl's speed limit.</summary>
    private static readonly (TimeSpan Window, long Bytes) Least = (TimeSpan.FromMinutes(5), 300 * 1024);

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly TimeProvider _time;
    private readonly Func<bool> _hasAlternative;
    private readonly bool _isPeer;
    private readonly CancellationTokenSource _tooSlow;
    private readonly ITimer _timer;
    private (TimeSpan Spent, long Bytes) _preferred;
    private (TimeSpan Spent, long Bytes) _least;
    private long? _waitingSince;

    public SourceWatch(TimeProvider time, Func<bool> hasAlternative, bool isPeer, CancellationToken ct)
    {
        (_time, _hasAlternative, _isPeer) = (time, hasAlternative, isPeer);
        _tooSlow = CancellationTokenSource.CreateLinkedTokenSource(ct);
        _timer = time.CreateTimer(_ => Check(), null, Interval, Interval);
    }

    /// <summary>Canceled when the source is too slow.</summary>
    public CancellationToken Token => _tooSlow.Token;

    /// <summary>The source was below the limit that applies while there is another one.</summary>
    public bool IsSlow { get; private set; }

    /// <summary>The source was below the limit that always applies.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>Awaits the source, and counts its time and bytes.</summary>
    /// <param name="wait">Gets the token that ends a wait for a slow source.</param>
    /// <param name="count">The bytes of a result.</param>
    public async ValueTask<T> While<T>(Func<CancellationToken, ValueTask<T>> wait, Func<T, long> count)
    {
        lock (_gate)
            _waitingSince = _time.GetTimestamp();
        var bytes = 0L;
        try
        {
            var result = await wait(Token);
            bytes = count(result);
            return result;
        }
        finally
        {
            lock (_gate)
                Spend(bytes);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _timer.DisposeAsync();
        _tooSlow.Dispose();
    }

    private void Spend(long bytes)
    {
        var spent = _waitingSince is { } since ? _time.GetElapsedTime(since) : TimeSpan.Zero;
        _waitingSince = null;
        _preferred = (_preferred.Spent + spent, _preferred.Bytes + bytes);
        _least = (_least.Spent + spent, _least.Bytes + bytes);
    }

    private void Check()
    {
        lock (_gate)
        {
            var isWaiting = _waitingSince is not null;
            Spend(0);
            if (isWaiting)
                _waitingSince = _time.GetTimestamp();
            IsSlow |= !_isPeer && IsBelow(ref _preferred, Preferred) && _hasAlternative();
            HasFailed |= IsBelow(ref _least, Least);
            if (!IsSlow && !HasFailed)
                return;
        }
        try
        {
            _tooSlow.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The download has ended at this moment.
        }
    }

    /// <summary>Begins a new window when the last one is over, and compares that one with a limit.</summary>
    private static bool IsBelow(ref (TimeSpan Spent, long Bytes) window, (TimeSpan Window, long Bytes) limit)
    {
        if (window.Spent < limit.Window)
            return false;
        var isBelow = window.Bytes < limit.Bytes;
        window = default;
        return isBelow;
    }
}
