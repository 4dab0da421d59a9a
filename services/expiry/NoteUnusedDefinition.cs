using MassTransit;

namespace Kuik.Expiry;

/// <summary>The queue of <see cref="NoteUnused"/>: all replicas take from it.</summary>
public sealed class NoteUnusedDefinition : ConsumerDefinition<NoteUnused>
{
    public NoteUnusedDefinition() => EndpointName = "kuik-note-unused";   // the queue in the broker: it outlives the name of the class
}
