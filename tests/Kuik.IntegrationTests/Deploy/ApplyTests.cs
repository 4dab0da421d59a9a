using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Deploy;

/// <summary>
/// deploy/kustomize at a real kube-apiserver (1.20, hence tests/kubernetes-1.20): it accepts every overlay, and applying it again changes
/// nothing.
/// </summary>
public sealed class ApplyTests
{
    private static readonly string Kustomize = Path.Combine(Checkout.Root, "deploy/kustomize");

    /// <summary>Components whose objects Kubernetes has without another project's CRDs, in an order that works together.</summary>
    private static readonly string[] Components =
    [
        "persistence", "garbage-collection", "private-certificate-authorities", "outbound-proxy", "network-policies", "v1-migration",
        "observe-only", "ignored-namespaces", "multiple-architectures", "registry-ui", "hpa", "second-registry",
    ];

    [Fact]
    public async Task The_API_server_accepts_every_overlay_and_applying_it_again_leaves_nothing_different()
    {
        var kubernetes = await KubernetesApi.StartOwn();
        await kubernetes.NewNamespace("kuik-system");
        using var ephemeral = new Folder("overlays/ephemeral");
        using var ha = new Folder("overlays/ha", [.. Components.Select(component => $"components/{component}")]);
        using var standard = new Folder("overlays/default");

        await kubernetes.Kubectl("apply", "--server-side", "--dry-run=server", "-k", ephemeral.Path);
        await kubernetes.Kubectl("apply", "--server-side", "--dry-run=server", "-k", ha.Path);

        await kubernetes.Kubectl("apply", "-k", standard.Path);
        await WriteAuthority(kubernetes);
        await Unchanged(kubernetes, standard.Path);
        await kubernetes.Kubectl("apply", "-k", standard.Path);
        await Unchanged(kubernetes, standard.Path);
        await kubernetes.Kubectl("apply", "--server-side", "--force-conflicts", "-k", standard.Path);
        await Unchanged(kubernetes, standard.Path);
        Assert.Equal("QQ==", await Authority(kubernetes));
    }

    [Fact]
    public async Task Deleting_by_the_label_keeps_the_namespace_and_nothing_else()
    {
        var kubernetes = await KubernetesApi.StartOwn();
        await kubernetes.NewNamespace("kuik-system");
        using var standard = new Folder("overlays/default");
        await kubernetes.Kubectl("apply", "-k", standard.Path);
        await kubernetes.Kubectl("create", "secret", "generic", "kuik-credentials", "-n", "kuik-system");

        await kubernetes.Kubectl("delete", "-k", standard.Path, "-l", "kuik.enix.io/keep!=true", "--wait=false");

        const string Kinds = "namespaces,secrets,configmaps,deployments,statefulsets,daemonsets,services,mutatingwebhookconfigurations";
        var left = await kubernetes.Kubectl("get", Kinds, "--all-namespaces", "-l", "app.kubernetes.io/name=kuik", "-o", "name");
        Assert.Equal("namespace/kuik-system", left.Trim());
        Assert.Equal("secret/kuik-credentials", (await kubernetes.Kubectl("get", "secrets", "-n", "kuik-system", "-o", "name")).Trim());
    }

    // As pod-watcher's setup does; the manifest has none.
    private static Task<string> WriteAuthority(KubernetesApi kubernetes) => kubernetes.Kubectl(
        "patch", "mutatingwebhookconfiguration", "kuik-webhook", "--field-manager=kuik-pod-watcher", "--type=json", "-p",
        """[{"op":"add","path":"/webhooks/0/clientConfig/caBundle","value":"QQ=="}]""");

    private static Task<string> Authority(KubernetesApi kubernetes) =>
        kubernetes.Kubectl("get", "mutatingwebhookconfiguration", "kuik-webhook", "-o", "jsonpath={.webhooks[0].clientConfig.caBundle}");

    private static async Task Unchanged(KubernetesApi kubernetes, string folder)
    {
        var difference = await kubernetes.TryKubectl(["diff", "-k", folder]);

        Assert.Equal((0, ""), (difference.ExitCode, difference.Output));
    }

    /// <summary>A kustomization as a user writes it, and what this API server lacks.</summary>
    private sealed class Folder : IDisposable
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("kuik-apply-");

        public Folder(string overlay, params string[] components)
        {
            string Relative(string path) => System.IO.Path.GetRelativePath(_folder.FullName, path);
            File.WriteAllLines(System.IO.Path.Combine(_folder.FullName, "kustomization.yaml"),
            [
                "apiVersion: kustomize.config.k8s.io/v1beta1", "kind: Kustomization",
                "resources:", $"  - {Relative(System.IO.Path.Combine(Kustomize, overlay))}",
                "components:", .. components.Select(component => $"  - {Relative(System.IO.Path.Combine(Kustomize, component))}"),
                $"  - {Relative(System.IO.Path.Combine(Checkout.Root, "tests/kubernetes-1.20"))}",
            ]);
        }

        public string Path => _folder.FullName;

        public void Dispose() => _folder.Delete(recursive: true);
    }
}
