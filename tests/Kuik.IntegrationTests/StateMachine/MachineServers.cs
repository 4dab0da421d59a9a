using Kuik.IntegrationTests.EventLog;
using Kuik.IntegrationTests.Webhook;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.StateMachine;

/// <summary>Postgres, RabbitMQ and a kube-apiserver of these tests' own, which schedules stop and start. The webhook of each schedule
/// listens where it is registered.</summary>
public sealed class MachineServers : IAsyncLifetime
{
    public Postgres Postgres { get; private set; } = null!;

    public RabbitMq RabbitMq { get; private set; } = null!;

    public KubernetesApi Kubernetes { get; private set; } = null!;

    internal WebhookRegistration Webhook { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        var (postgres, rabbitMq, kubernetes) = (Postgres.StartOwn(), RabbitMq.StartOwn(), KubernetesApi.StartOwn());
        await Task.WhenAll(postgres, rabbitMq, kubernetes);
        (Postgres, RabbitMq, Kubernetes) = (await postgres, await rabbitMq, await kubernetes);
        await Kubernetes.NewNamespace("kuik-system");
        await Kubernetes.NewNamespace("apps");
        await Kubernetes.Kubectl("apply", "-k", Path.Combine(Checkout.Root, "deploy/kustomize/base/crds"));
        await Kubernetes.Kubectl("wait", "--for=condition=Established", "crd/cachedimages.kuik.enix.io", "crd/repositories.kuik.enix.io");
        Webhook = await WebhookRegistration.Add(Kubernetes);
    }

    public async ValueTask DisposeAsync()
    {
        await Postgres.Stop();
        await RabbitMq.Stop();
        await Kubernetes.Stop();
    }

    /// <summary>A new event log with its tables.</summary>
    internal async Task<string> NewLog()
    {
        var database = await Postgres.NewDatabase();
        await MigratedDatabase.Ensure(database);
        return database;
    }
}
