namespace Kuik.NodeProxy;

/// <summary>Where a server inside the cluster is now. It may move while this process runs (see <see cref="EndpointsFile"/>).</summary>
/// <param name="configured">Scheme, host and port; null while none is known.</param>
internal sealed class SourceAddress(Uri? configured)
{
    private Uri? _current = configured;

    /// <summary>From the settings; null when they name none.</summary>
    public Uri? Configured { get; } = configured;

    /// <summary>Null: there is none, it is passed over.</summary>
    public Uri? Current
    {
        get => Volatile.Read(ref _current);
        set => Volatile.Write(ref _current, value);
    }
}
