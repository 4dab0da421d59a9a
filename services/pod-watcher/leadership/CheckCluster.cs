using Kuik.Kubernetes;
using Marten;

namespace Kuik.PodWatcher;

/// <summary>
/// Checks that the log belongs to this cluster. In another one every recorded pod would be absent, and every image would expire.
/// </summary>
internal static class CheckCluster
{
    /// <summary>Compares the cluster with the recorded one.</summary>
    /// <exception cref="ClusterCheckException">It is another one, or the API does not answer; the message states the action.</exception>
    public static async Task Run(KubernetesApi api, IDocumentStore store, CancellationToken ct)
    {
        var here = await ReadUid(api, ct);
        await using var session = store.LightweightSession();
        if (await session.LoadAsync<ClusterIdentity>(ClusterIdentity.TheOnly, ct) is not { } recorded)
        {
            session.Insert(new ClusterIdentity(ClusterIdentity.TheOnly, here));
            await session.SaveChangesAsync(ct);
        }
        else if (recorded.NamespaceUid != here)
        {
            throw new ClusterCheckException(
                $"the event log belongs to another cluster (its kube-system has the uid {recorded.NamespaceUid}, here it is {here}): give "
                    + "this cluster a database of its own, "
                + "or, if this one takes the other's place, delete the document from kuik.mt_doc_clusteridentity");
        }
    }

    private static async Task<string> ReadUid(KubernetesApi api, CancellationToken ct)
    {
        try
        {
            return (await api.Get("api/v1/namespaces/kube-system", PodJson.Default.Namespace, ct)).Metadata.Uid!;
        }
        catch (Exception fault) when (KubernetesFault.IsOfApi(fault, ct))
        {
            throw new ClusterCheckException($"Kubernetes at {api.Address} does not say which cluster it is ({fault.Message})");
        }
    }
}
