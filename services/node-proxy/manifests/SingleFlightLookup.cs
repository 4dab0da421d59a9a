namespace Kuik.NodeProxy;

/// <summary>One lookup at the sources, shared by all requests for the same manifest. Cancelled when no request waits for it any
/// more.</summary>
/// <param name="begun">When the first one asked.</param>
/// <param name="goesOn">It is not cancelled: its answer refreshes the cache in any case.</param>
// A CancellationTokenSource without a timer holds no resources; a disposed one could not be cancelled by a client that leaves late.
#pragma warning disable CA1001
internal sealed class SingleFlightLookup(TimeSpan begun, bool goesOn)
#pragma warning restore CA1001
{
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource<KnownManifest> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _waiting = 1;

    public TimeSpan Begun => begun;

    public Task<KnownManifest> Answer => _answer.Task;

    /// <summary>Runs the lookup and completes <see cref="Answer"/>.</summary>
    public async Task Complete(Func<CancellationToken, Task<KnownManifest>> ask)
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

    /// <summary>False when it has been cancelled.</summary>
    public bool TryJoin()
    {
        for (var waiting = Volatile.Read(ref _waiting); waiting > 0; waiting = Volatile.Read(ref _waiting))
            if (Interlocked.CompareExchange(ref _waiting, waiting + 1, waiting) == waiting)
                return true;
        return false;
    }

    /// <summary>A request that started or joined it stops waiting.</summary>
    public void Leave()
    {
        if (!goesOn && Interlocked.Decrement(ref _waiting) == 0)
            _stop.Cancel();
    }
}
