namespace Kuik.Kubernetes;

/// <summary>The changes since the last call: only hints, the state itself is authoritative.</summary>
/// <param name="Listed">A complete list was taken: everything may have changed, and an object that is not in
/// the state does not exist.</param>
/// <param name="Keys">Objects that were added, changed or deleted.</param>
/// <param name="Deleted">Those whose deletion was seen in the watch, with the part last kept of them.</param>
public sealed record ChangeSet<TState>(bool Listed, IReadOnlySet<string> Keys, IReadOnlyDictionary<string, TState> Deleted)
{
    /// <summary>The number of complete lists up to then.</summary>
    public int Lists { get; init; }

    // CA1000: the type cannot be inferred anyway.
#pragma warning disable CA1000
    /// <summary>No changes.</summary>
    public static ChangeSet<TState> None { get; } = new(false, new HashSet<string>(), new Dictionary<string, TState>());
#pragma warning restore CA1000
}
