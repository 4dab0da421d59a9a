namespace Kuik.Webhook;

/// <summary>The outcome for the image of a container or an image volume.</summary>
public enum Outcome
{
    /// <summary>It names node-proxy from now on; its original is kept in an annotation (or, of an ephemeral container, in the name
    /// itself).</summary>
    Rewritten,

    /// <summary>It named node-proxy at a previous port and now does at the current one.</summary>
    Repointed,

    /// <summary>It names node-proxy already, and we wrote that.</summary>
    AlreadyRewritten,

    /// <summary>It belongs to a registry of the node itself, or nothing shows that it is ours.</summary>
    LocalRegistry,

    /// <summary>The node never pulls it.</summary>
    PullPolicyNever,

    /// <summary>The node pulls it at every start, and the settings leave such images alone.</summary>
    PullPolicyAlways,

    /// <summary>The settings ignore it.</summary>
    Ignored,

    /// <summary>The settings name what they accept, and this is not among it.</summary>
    NotAccepted,

    /// <summary>It is no image reference, or one that no local name can hold, or no annotation can keep it.</summary>
    NoLocalName,

    /// <summary>The pod exists already and is not marked for rewriting.</summary>
    NotMarked,

    /// <summary>The ephemeral container exists already: Kubernetes does not allow changes to it.</summary>
    Existing,

    /// <summary>The request is an update that does not change this image: changing it would restart the container.</summary>
    Unchanged,

    /// <summary>The pod as a whole is left alone.</summary>
    PodLeftAlone,

    /// <summary>The pod runs where no node-proxy listens: see <see cref="PodExclusions"/>.</summary>
    PodNotServed,

    /// <summary>The pod is critical for a node or the cluster: see <see cref="PodExclusions"/>.</summary>
    PodCritical,

    /// <summary>The pod is being deleted.</summary>
    PodTerminating,

    /// <summary>The pod has more containers and volumes than are looked at.</summary>
    PodTooLarge,
}
