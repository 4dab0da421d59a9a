using Microsoft.Extensions.Hosting;

namespace Kuik.Hosting;

/// <summary>
/// Returns memory to the node when a service has become idle: a process that allocates little collects little, and would hold the memory of
/// its start or of its busiest moment for days.
/// </summary>
public sealed class MemoryTrimmer(MemoryTrimmerOptions options, TimeProvider time) : IHostedService, IDisposable
{
    private const long WorthIt = 4 << 20;

    private ITimer? _timer;
    private long _trimmedAt;
    private long _lookedAt;

    /// <summary>Collects and compacts the whole heap if the service is idle and has allocated 4 MiB or more since the last time.</summary>
    /// <returns>True when it did.</returns>
    public bool Trim()
    {
        var allocated = GC.GetTotalAllocatedBytes();
        var sinceLook = allocated - _lookedAt;
        _lookedAt = allocated;
        if (sinceLook > options.MostWhenIdle || allocated - _trimmedAt < WorthIt)
            return false;
        _trimmedAt = allocated;
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        return true;
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _timer = time.CreateTimer(_ => Trim(), null, options.Pause, options.Pause);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _timer?.Dispose();
}
