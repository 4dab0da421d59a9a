namespace Kuik.PodWatcher;

/// <summary>The identity of the log's cluster, recorded by the first leader.</summary>
/// <param name="Id">Always <see cref="TheOnly"/>.</param>
/// <param name="NamespaceUid">The uid of the namespace <c>kube-system</c>, which a cluster never changes.</param>
public sealed record ClusterIdentity(string Id, string NamespaceUid)
{
    public const string TheOnly = "cluster";
}
