using System.Diagnostics;
using JasperFx.Events;
using JasperFx.Events.Daemon;
using JasperFx.Events.Projections;
using Marten;
using Marten.Subscriptions;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Kuik.EventLog;

/// <summary>
/// Publishes every event of the log on the bus, at least once: in each stream's order, as a message of the event's own
/// type, with the event's id as message id. One replica at a time runs it, by a lock in Postgres, so that it works while
/// the Kubernetes API is unreachable.
/// </summary>
/// <param name="bus">Resolved at the first event: the bus depends on consumers, which depend on the store, which depends on this.</param>
public sealed class Relay(Func<IBus> bus) : SubscriptionBase
{
    /// <summary>The name of the relay's progress in the log.</summary>
    public const string ShardName = "relay";

    private static readonly ActivitySource Activities = new("Kuik.EventLog");

    /// <summary>The headers that identify the writer. <c>kuik-version</c> is the event's version in its stream.</summary>
    private static readonly (string Header, string Name)[] OfWriter =
    [
        ("service", "kuik-service"), ("replica", "kuik-replica"), ("version", "kuik-writer-version"), ("traceparent", "traceparent"),
    ];

    /// <summary>
    /// The time limit for the broker's confirms of a page. It blocks publishers while it is unreachable or out of memory or disk.
    /// </summary>
    private static readonly TimeSpan ConfirmTimeout = TimeSpan.FromSeconds(10);

    /// <inheritdoc/>
    public override async Task<IChangeListener> ProcessEventsAsync(
        EventRange page, ISubscriptionController controller, IDocumentOperations operations, CancellationToken cancellationToken)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(ConfirmTimeout);
        try
        {
            await Task.WhenAll(page.Events.GroupBy(e => e.StreamKey).Select(stream => PublishInOrder(stream, timeout.Token)));
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // The daemon takes a cancellation for its own end and would stop this shard silently and for good.
            throw new TimeoutException($"RabbitMQ has not confirmed {page.Events.Count} events within {ConfirmTimeout.TotalSeconds} s");
        }
        return NullChangeListener.Instance;
    }

    private async Task PublishInOrder(IEnumerable<IEvent> stream, CancellationToken ct)
    {
        foreach (var fact in stream)
        {
            using var activity = Continue(fact);
            await bus().Publish(fact.Data, fact.EventType, context => Describe(fact, context), ct);
        }
    }

    /// <summary>The bus takes the trace from the current activity: the trace of the event's writer continues in its consumers.</summary>
    private static Activity? Continue(IEvent fact) =>
        ActivityContext.TryParse(fact.GetHeader("traceparent")?.ToString(), null, isRemote: true, out var writer)
            ? Activities.StartActivity($"relay {fact.EventTypeName}", ActivityKind.Producer, writer)
            : null;

    private static void Describe(IEvent fact, PublishContext context)
    {
        context.MessageId = fact.Id;
        context.Headers.Set("kuik-stream", fact.StreamKey);
        context.Headers.Set("kuik-version", fact.Version);
        context.Headers.Set("kuik-sequence", fact.Sequence);
        context.Headers.Set("kuik-recorded-at", fact.Timestamp.ToString("O"));
        foreach (var (header, name) in OfWriter)
            if (fact.GetHeader(header) is { } value)
                context.Headers.Set(name, value.ToString());
        if (fact.CausationId is { } cause)
            context.Headers.Set("kuik-caused-by", cause);
    }
}

/// <summary>Registration of the relay.</summary>
public static class RelaySetup
{
    /// <summary>
    /// Adds the relay from the log to the bus. Only pod-watcher hosts it; of its replicas, the leader runs it. Call it with
    /// <see cref="EventLogSetup.AddKuikEventLog"/> and <see cref="BusSetup.AddKuikBus"/>.
    /// </summary>
    public static WebApplicationBuilder AddKuikRelay(this WebApplicationBuilder builder)
    {
        builder.Services.ConfigureMarten((services, options) => options.Projections.Subscribe(
            new Relay(services.GetRequiredService<IBus>),
            subscription =>
            {
                subscription.Name = Relay.ShardName;
                subscription.IncludeArchivedEvents = true;   // a short-lived stream may be archived before the relay reaches it
                subscription.Options.BatchSize = 200;
            }));
        return builder;
    }
}
