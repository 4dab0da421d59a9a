using System.Diagnostics;

namespace Kuik.EventLog;

/// <summary>A stream as read in a transaction, with the events to append.</summary>
public sealed class EventStream<TState> : IPendingStream
{
    private readonly List<PendingEvent> _pending = [];
    private readonly Func<TState, object, TState> _fold;

    internal EventStream(string name, long version, TState state, Func<TState, object, TState> fold)
    {
        (Name, Version, State) = (name, version, state);
        _fold = fold;
    }

    /// <summary>The stream's key.</summary>
    public string Name { get; }

    /// <summary>The number of its events when it was read; 0 when it did not exist.</summary>
    public long Version { get; }

    /// <summary>The fold of all of its events, including those appended here.</summary>
    public TState State { get; private set; }

    IReadOnlyList<PendingEvent> IPendingStream.Pending => _pending;

    /// <summary>The last event appended here; null for none.</summary>
    public object? LastAppended => _pending.Count == 0 ? null : _pending[^1].Fact;

    /// <summary>The number of events appended here.</summary>
    internal int Appended => _pending.Count;

    /// <summary>Appends an event when the transaction commits. It continues the trace of the current activity.</summary>
    /// <param name="fact">An event of Kuik.Contracts.</param>
    public void Append(object fact)
    {
        _pending.Add(new PendingEvent(fact, Activity.Current is { IdFormat: ActivityIdFormat.W3C, Id: { } trace } ? trace : null));
        State = _fold(State, fact);
    }
}
