using MassTransit;

namespace Kuik.ImageFetcher;

/// <summary>The queue of <see cref="EvictImage"/>: all replicas take from it.</summary>
public sealed class EvictImageDefinition : ConsumerDefinition<EvictImage>
{
    // An eviction is a few small requests; two at a time let it wait for a repository's lock without holding up the others.
    private const int Evictions = 2;

    public EvictImageDefinition()
    {
        EndpointName = "kuik-evict-image";   // the queue in the broker: it outlives the name of the class
        ConcurrentMessageLimit = Evictions;
    }

    protected override void ConfigureConsumer(IReceiveEndpointConfigurator endpointConfigurator,
        IConsumerConfigurator<EvictImage> consumerConfigurator, IRegistrationContext context)
    {
        endpointConfigurator.PrefetchCount = Evictions;
        // An eviction that fails again and again is open in its stream, and expiry announces it again.
        endpointConfigurator.DiscardFaultedMessages();
    }
}
