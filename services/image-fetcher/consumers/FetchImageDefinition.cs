using MassTransit;

namespace Kuik.ImageFetcher;

/// <summary>The queue of <see cref="FetchImage"/>: all replicas take from it.</summary>
public sealed class FetchImageDefinition : ConsumerDefinition<FetchImage>
{
    private readonly int _messages;

    /// <summary>A few more than are held, so that there is always one to be taken for a host that has nothing to do.</summary>
    public FetchImageDefinition(FetcherOptions options)
    {
        EndpointName = "kuik-fetch-image";   // the queue in the broker: it outlives the name of the class
        ConcurrentMessageLimit = _messages = AcknowledgementDeadline.MostHeld(options) + 3;
    }

    protected override void ConfigureConsumer(IReceiveEndpointConfigurator endpointConfigurator,
        IConsumerConfigurator<FetchImage> consumerConfigurator, IRegistrationContext context)
    {
        // No more than are worked on: what waits here cannot be taken by another replica.
        endpointConfigurator.PrefetchCount = _messages;
        // A fetch that fails again and again is open in its stream, and expiry announces it again: a queue of errors would only grow.
        endpointConfigurator.DiscardFaultedMessages();
    }
}
