namespace Kuik.Hosting;

/// <summary>
/// The waits between attempts: 1 s, then twice as long each time up to a limit, with jitter between half and all of
/// it, so that replicas spread out.
/// </summary>
/// <param name="time">The clock.</param>
/// <param name="longest">The limit; null: 30 s.</param>
public sealed class BackOff(TimeProvider time, TimeSpan? longest = null)
{
    private static readonly TimeSpan FirstWait = TimeSpan.FromSeconds(1);

    private readonly TimeSpan _longest = longest ?? TimeSpan.FromSeconds(30);
    private int _failures;

    /// <summary>
    /// The wait after a number of failures: between half and all of <paramref name="first"/> after one,
    /// twice as long after each further one.
    /// </summary>
    /// <param name="failures">At least 1.</param>
    /// <param name="first">The wait after the first.</param>
    /// <param name="longest">The limit.</param>
    public static TimeSpan Delay(int failures, TimeSpan first, TimeSpan longest)
    {
        var full = Math.Min(longest.TotalSeconds, first.TotalSeconds * Math.Pow(2, Math.Min(failures - 1, 30)));
        // CA5394: no secret depends on this.
#pragma warning disable CA5394
        return TimeSpan.FromSeconds(full * (0.5 + (Random.Shared.NextDouble() / 2)));
#pragma warning restore CA5394
    }

    /// <summary>Resets the wait after a success.</summary>
    public void Reset() => _failures = 0;

    /// <summary>The next wait, which counts as one more failure.</summary>
    public TimeSpan Next() => Delay(++_failures, FirstWait, _longest);

    /// <summary>Waits.</summary>
    public Task Wait(CancellationToken ct) => Task.Delay(Next(), time, ct);
}
