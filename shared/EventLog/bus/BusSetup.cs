using Kuik.Hosting;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

namespace Kuik.EventLog;

/// <summary>The bus: MassTransit on the RabbitMQ of <c>ConnectionStrings:RabbitMq</c>. It carries the log's events and may lose them.</summary>
public static class BusSetup
{
    /// <summary>Messages a replica takes ahead of its consumers. Small, so that replicas share a backlog instead of one hoarding it.</summary>
    private const ushort Prefetch = 4;

    /// <summary>
    /// Adds the bus. Every event of the log arrives as a message of its own type whose id is the event's id, at least once and in no order:
    /// a consumer folds the stream and returns if the work is done. The service starts without the broker and connects when it is there.
    /// </summary>
    /// <remarks>
    /// Queues are durable, named <c>kuik-</c> and the consumer's name in kebab case; replicas compete for them. They are quorum queues only when
    /// <c>Kuik:Bus:QuorumQueues</c> says so (default false; for a broker of three nodes or more): one that a single node recovers after a crash may never
    /// elect its leader again, and then takes and gives nothing until a person helps. A failed consumer is run again
    /// after 0.2, 1 and 3 seconds, then its message is discarded with one line in the log (<see cref="DiscardedMessageLog"/>): whatever takes longer is
    /// state, and announced again by expiry. There are no <c>_error</c> and <c>_skipped</c> queues, which only grow, and no <c>Fault</c> messages, which
    /// hold what cannot be serialised (an exception of Npgsql).
    /// Limits of a consumer's own belong into its <c>ConsumerDefinition</c>.
    /// </remarks>
    /// <param name="builder">The service's builder.</param>
    /// <param name="configure">Adds the service's consumers: <c>bus.AddConsumer&lt;FetchImage, FetchImageDefinition&gt;()</c>.</param>
    /// <exception cref="InvalidSettingException">The connection string is missing or cannot be read.</exception>
    public static WebApplicationBuilder AddKuikBus(this WebApplicationBuilder builder, Action<IBusRegistrationConfigurator>? configure = null)
    {
        var broker = ReadConnectionString(builder.Configuration);
        var isCluster = builder.Configuration.Read("Kuik:Bus:QuorumQueues", false, "true or false");
        // BrokerMonitor says that the broker is away, whoever publishes gets an exception, and DiscardedMessageLog says which message failed for good.
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
            // What a service does without the broker goes on: degraded, not unready.
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
    /// <param name="Username">As the broker knows it.</param>
    /// <param name="Password">Never logged.</param>
    internal sealed record Broker(Uri Address, string Username, string Password);
}
