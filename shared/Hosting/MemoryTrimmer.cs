namespace Kuik.NodeProxy;

/// <summary>
/// Returns memory to the node after the start or a burst of pulls: a process that allocates nothing more collects nothing more either, and
/// would hold the buffers of its busiest moment for days.
/// </summary>
internal sealed class MemoryTrimmer(TimeProvider time) : IHostedService, IDisposable
{
    private const long WorthIt = 4 << 20;
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

    private ITimer? _timer;
    private long _allocated;

    /// <summary>One look: when enough has been allocated since the last one, everything that is not used any more goes. True when it
    /// went.</summary>
    public bool Trim()
    {
        var allocated = GC.GetTotalAllocatedBytes();
        if (allocated - _allocated < WorthIt)
            return false;
        _allocated = allocated;
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        return true;
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _timer = time.CreateTimer(_ => Trim(), null, Pause, Pause);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _timer?.Dispose();
}
