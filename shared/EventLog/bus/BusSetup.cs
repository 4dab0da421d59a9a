using Kuik.Hosting;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

namespace Kuik.EventLog;

/// <summary>The bus: MassTransit on the RabbitMQ of <c>ConnectionStrings:RabbitMq</c>. It carries the log's events and may lose
/// them.</summary>
public static class BusSetup
{
    /// <summary>Messages a replica prefetches. Small, so that replicas share a backlog.</summary>
    private const ushort Prefetch = 4;

    /// <summary>
    /// Adds the bus. Every event of the log arrives as a message of its own type with the event's id as message id, at least
    /// once and in no order: a consumer folds the stream and returns if the work is done. The service starts without the broker
    /// and connects when it is reachable.
    /// </summary>
    /// <remarks>
    /// Queues are durable, named <c>kuik-</c> and the consumer's name in kebab case; replicas are competing consumers. They are quorum
    /// queues only if <c>Kuik:Bus:QuorumQueues</c> is true (default false; for a broker of three nodes or more): a quorum queue that a
    /// single node recovers after a crash may never elect its leader again, and then accepts and delivers nothing until an operator
    /// intervenes. A failed consumer is retried after 0.2, 1 and 3 seconds, then its message is discarded with one line in the log
    /// (<see cref="DiscardedMessageLog"/>): work that takes longer is state, and announced again by expiry. There are no <c>_error</c> and
    /// <c>_skipped</c> queues, which only grow, and no <c>Fault</c> messages, which contain exceptions that cannot be serialised (Npgsql's,
    /// for example). Limits of a single consumer belong into its <c>ConsumerDefinition</c>.
    /// </remarks>
    /// <param name="builder">The service's builder.</param>
    /// <param name="configure">Adds the service's consumers: <c>bus.AddConsumer&lt;FetchImage, FetchImageDefinition&gt;()</c>.</param>
    /// <exception cref="InvalidSettingException">The connection string is missing or invalid.</exception>
    public static WebApplicationBuilder AddKuikBus(this WebApplicationBuilder builder,
        Action<IBusRegistrationConfigurator>? configure = null)
    {
        var broker = ReadConnectionString(builder.Configuration);
        var isCluster = builder.Configuration.Read("Kuik:Bus:QuorumQueues", false, "true or false");
        // BrokerMonitor logs an unreachable broker, publishers get an exception, and DiscardedMessageLog logs discarded messages.
        builder.Logging.AddFilter("MassTransit", LogLevel.None);
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddHostedService(services => new BrokerMonitor(
            services.GetRequiredService<IBusControl>(), $"{broker.Address.Authority}{broker.Address.AbsolutePath}",
            services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<BrokerMonitor>>()));
        builder.Services.AddMassTransit(bus =>
        {
            bus.SetEndpointNameFormatter(new KebabCaseEndpointNameFormatter("kuik", includeNamespace: false));
            bus.AddConfigureEndpointsCallback((context, _, endpoint) =>
            {
                endpoint.PublishFaults = false;
                var discarded = new DiscardedMessageLog(context.GetRequiredService<ILogger<DiscardedMessageLog>>());
                endpoint.ConfigureError(pipe => pipe.UseFilter(discarded));
                endpoint.DiscardFaultedMessages();
                endpoint.DiscardSkippedMessages();
                if (isCluster && endpoint is IRabbitMqReceiveEndpointConfigurator queue)
                    queue.SetQuorumQueue();
                endpoint.UseMessageRetry(retry => retry.Intervals(200, 1000, 3000));
            });
            // A service continues the work that does not need the broker: degraded, not unready.
            bus.ConfigureHealthCheckOptions(health => health.MinimalFailureStatus = HealthStatus.Degraded);
            configure?.Invoke(bus);
            bus.UsingRabbitMq((registration, rabbit) =>
            {
                rabbit.Host(broker.Address, host =>
                {
                    host.Username(broker.Username);
                    host.Password(broker.Password);
                });
                rabbit.PrefetchCount = Prefetch;
                rabbit.ConfigureEndpoints(registration);
            });
        });
        return builder;
    }

    internal static Broker ReadConnectionString(IConfiguration configuration)
    {
        const string Key = "ConnectionStrings:RabbitMq";
        const string Accepted = "an address such as amqp://user:password@rabbitmq:5672/vhost";
        var text = configuration[Key];
        if (string.IsNullOrWhiteSpace(text))
            throw new InvalidSettingException(Key, text, Accepted);
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Scheme is not ("amqp" or "amqps") || uri.Host.Length == 0)
            throw new InvalidSettingException(Key, "(hidden, it may hold a password)", Accepted);
        var credentials = uri.UserInfo.Split(':', 2);
        var address = new UriBuilder(uri) { UserName = "", Password = "" }.Uri;
        return new Broker(address, Uri.UnescapeDataString(credentials[0]) is { Length: > 0 } user ? user : "guest",
            credentials.Length > 1 ? Uri.UnescapeDataString(credentials[1]) : "guest");
    }

    /// <param name="Address">Without credentials.</param>
    /// <param name="Username">The broker's user.</param>
    /// <param name="Password">Never logged.</param>
    internal sealed record Broker(Uri Address, string Username, string Password);
}
