namespace Kuik.Kubernetes;

/// <summary>Waits between attempts: 1 s, then twice as long each time up to 30 s, each time between half and all of it, so that replicas drift apart.</summary>
/// <param name="time">The clock.</param>
public sealed class BackOff(TimeProvider time)
{
    private static readonly TimeSpan First = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);

    private TimeSpan next = First;

    /// <summary>It worked: the next wait is a short one.</summary>
    public void Reset() => next = First;

    /// <summary>Waits.</summary>
    public async Task Wait(CancellationToken ct)
    {
        // CA5394: no secret depends on this.
#pragma warning disable CA5394
        var delay = next * (0.5 + (Random.Shared.NextDouble() / 2));
#pragma warning restore CA5394
        next = next * 2 < Longest ? next * 2 : Longest;
        await Task.Delay(delay, time, ct);
    }
}
