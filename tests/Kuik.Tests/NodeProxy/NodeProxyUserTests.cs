using k8s;
using k8s.Models;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.NodeProxy;

/// <summary>
/// The user of the DaemonSet's processes: any process of the same user can share the port (docs/decisions/0005-take-over.md).
/// </summary>
public sealed class NodeProxyUserTests
{
    /// <summary>Fixed: with another number an upgrade cannot take the port over.</summary>
    private const long OurUser = 743900;

    [Fact]
    public void It_is_the_same_in_every_release_for_the_pod_and_each_container()
    {
        var pod = Pod();

        Assert.Equal((OurUser, OurUser), (pod.SecurityContext.RunAsUser, pod.SecurityContext.RunAsGroup));
        foreach (var context in pod.Containers.Select(container => container.SecurityContext))
            Assert.Equal((OurUser, OurUser), (context.RunAsUser, context.RunAsGroup));
    }

    [Fact]
    public void It_is_none_that_images_and_platforms_use()
    {
        long[] wellKnown = [65532, 65534, 65535, 10001, 10000, 12345, 472, 999, 101, 33];   // distroless, nobody, and images' customs

        var user = Pod().SecurityContext.RunAsUser!.Value;

        Assert.DoesNotContain(user, wellKnown);
        Assert.InRange(user, 65536, 999_999_999);   // between what distributions hand out and OpenShift's ranges
    }

    private static V1PodSpec Pod()
    {
        var manifest = Path.Combine(Checkout.Root, "deploy/kustomize/base/node-proxy/daemonset.yaml");
        return KubernetesYaml.Deserialize<V1DaemonSet>(File.ReadAllText(manifest)).Spec.Template.Spec;
    }
}
