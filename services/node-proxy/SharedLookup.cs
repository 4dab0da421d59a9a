namespace Kuik.NodeProxy;

/// <summary>A question that is being asked of the sources, for everybody who asks it meanwhile. It is given up when nobody waits any more.</summary>
/// <param name="begun">When the first one asked.</param>
/// <param name="goesOn">It is not given up: its answer is wanted in any case.</param>
#pragma warning disable CA1001   // a CancellationTokenSource without a timer holds nothing, and disposed it could not be cancelled by a client that leaves late
internal sealed class SharedLookup(TimeSpan begun, bool goesOn)
#pragma warning restore CA1001
{
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource<KnownManifest> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _waiting = 1;

    public TimeSpan Begun => begun;

    public Task<KnownManifest> Answer => _answer.Task;

    /// <summary>Asks, and tells everybody who waits.</summary>
    public async Task Run(Func<CancellationToken, Task<KnownManifest>> ask)
    {
        try
        {
            _answer.SetResult(await ask(_stop.Token));
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            _answer.SetCanceled(_stop.Token);
        }
        catch (Exception fault)
        {
            _answer.SetException(fault);   // each request that waits fails with it
        }
    }

    /// <summary>False: it has been given up.</summary>
    public bool TryJoin()
    {
        for (var waiting = Volatile.Read(ref _waiting); waiting > 0; waiting = Volatile.Read(ref _waiting))
            if (Interlocked.CompareExchange(ref _waiting, waiting + 1, waiting) == waiting)
                return true;
        return false;
    }

    /// <summary>Whoever joined, or began it, and no longer waits.</summary>
    public void Leave()
    {
        if (!goesOn && Interlocked.Decrement(ref _waiting) == 0)
            _stop.Cancel();
    }
}
