namespace Kuik.PodWatcher;

/// <summary>
/// Makes written state agree with observed state, for the objects with these keys. Level-triggered: a key is only a hint.
/// </summary>
internal interface IReconciler
{
    /// <summary>Reconciles some keys, or throws: then each of them is reconciled again later, alone.</summary>
    Task Reconcile(IReadOnlyList<string> keys, CancellationToken ct);
}
