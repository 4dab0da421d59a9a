namespace Kuik.PodWatcher.Setup;

/// <summary>The state of caBundle.</summary>
internal enum Publication
{
    /// <summary>It was correct before.</summary>
    WasThere,

    /// <summary>It has been written.</summary>
    Written,

    /// <summary>There is no webhook configuration.</summary>
    NoConfiguration,
}
