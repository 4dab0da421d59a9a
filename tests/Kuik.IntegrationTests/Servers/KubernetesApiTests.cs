using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Servers;

public class KubernetesApiTests
{
    [Fact]
    public async Task A_pod_can_be_made_and_outlives_a_stop_and_start()
    {
        var kubernetes = await KubernetesApi.StartOwn();
        var space = await kubernetes.NewNamespace();
        await kubernetes.Apply(Pod(space));
        await kubernetes.Apply(Pod("default"));

        await kubernetes.Stop();
        Assert.NotEqual(0, (await kubernetes.TryKubectl(["get", "pods"])).ExitCode);
        await kubernetes.Restart();

        Assert.Equal("web default",
            await kubernetes.Kubectl("get", "pods", "-n", space, "-o",
                "jsonpath={.items[*].metadata.name} {.items[*].spec.serviceAccountName}"));
    }

    private static string Pod(string space) => $$"""
        apiVersion: v1
        kind: Pod
        metadata: {name: web, namespace: {{space}}}
        spec: {containers: [{name: web, image: nginx}]}
        """;
}
