namespace Kuik.NodeProxy;

/// <summary>A connection that came in on a pull port, as opposed to the one for health and metrics.</summary>
internal sealed class PullConnection(SocketHandover socketHandover)
{
    private int _hasSpoken;

    /// <summary>It has asked for something, or is gone.</summary>
    public void Spoke()
    {
        if (Interlocked.Exchange(ref _hasSpoken, 1) == 0)
            socketHandover.Spoke();
    }
}
