using Testcontainers.RabbitMq;

namespace Kuik.Testing;

/// <summary>RabbitMQ in a container; Testcontainers removes it when this process is gone, unless its sandbox is kept.</summary>
internal sealed class DockerRabbitMq : IRabbitMqEngine
{
    // Chosen ones: they must be the same after Stop and Start.
    private readonly int port = FreePort.Next();
    private readonly int managementPort = FreePort.Next();
    private readonly Sandbox sandbox;
    private readonly TimeSpan? acknowledgementTimeout;
    private RabbitMqContainer container;

    private DockerRabbitMq(Sandbox sandbox, TimeSpan? acknowledgementTimeout)
    {
        (this.sandbox, this.acknowledgementTimeout) = (sandbox, acknowledgementTimeout);
        container = NewContainer();
    }

    public Uri Address => new($"amqp://kuik:kuik@{container.Hostname}:{port}/");

    public Uri Management => new($"http://kuik:kuik@{container.Hostname}:{managementPort}/");

    public static async Task<DockerRabbitMq> Create(Sandbox sandbox, TimeSpan? acknowledgementTimeout)
    {
        var rabbit = new DockerRabbitMq(sandbox, acknowledgementTimeout);
        await rabbit.Start();
        return rabbit;
    }

    public void Created(string virtualHost)
    {
        // It goes with the container.
    }

    public async Task Start()
    {
        await Docker.Start(container);
        sandbox.Owns(container.Id);
    }

    public Task Stop() => container.StopAsync();

    public async Task<string> Log() => (await container.GetLogsAsync()).Stdout;

    public async Task StartWithoutData()
    {
        await container.DisposeAsync();
        container = NewContainer();
        await Start();
    }

    private RabbitMqContainer NewContainer() => new RabbitMqBuilder("rabbitmq:3.13-management")
        .WithUsername("kuik").WithPassword("kuik").WithPortBinding(port, 5672).WithPortBinding(managementPort, 15672)
        .WithResourceMapping(System.Text.Encoding.UTF8.GetBytes(RabbitMq.AdvancedConfiguration(acknowledgementTimeout)),
            "/etc/rabbitmq/advanced.config")
        .WithCleanUp(!sandbox.IsKept).Build();
}
