using Kuik.Contracts;
using Marten;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// One Postgres transaction in which a decision is made: take locks (<see cref="ImageLocks"/>), read and write the usage table
/// (<see cref="ImageUsers"/>), read streams, append to them. All of it is committed at once, or none of it.
/// </summary>
/// <remarks>
/// Isolation is read committed: each statement sees what was committed before it began. A lock that is taken first therefore orders
/// everything read after it. Not thread safe. Made by <see cref="EventLogTransactions"/>.
/// </remarks>
public sealed class EventLogTransaction
{
    private readonly Dictionary<string, IPendingStream> streams = [];

    internal EventLogTransaction(IDocumentSession session, NpgsqlConnection connection) => (Session, Connection) = (session, connection);

    /// <summary>For SQL of your own, in this transaction. Do not close it and do not commit.</summary>
    public NpgsqlConnection Connection { get; }

    /// <summary>Marten's session in this transaction, for documents. Append through <see cref="EventStream{TState}"/>; do not save changes.</summary>
    public IDocumentSession Session { get; }

    /// <summary>
    /// Reads a stream and folds it. If it is appended to, the transaction fails with a conflict (and runs again) when
    /// anybody else has appended to it since.
    /// </summary>
    /// <param name="name">From <see cref="StreamName"/>. A stream that does not exist yet is read as one without events.</param>
    /// <param name="nothing">The state before the first event.</param>
    /// <param name="fold">The state after one more event; pure, and the same state for events that it does not know.</param>
    /// <param name="ct">Ends the reading.</param>
    /// <exception cref="InvalidCastException">The stream has been read in this transaction with another type of state.</exception>
    public async Task<EventStream<TState>> Read<TState>(string name, TState nothing, Func<TState, object, TState> fold, CancellationToken ct)
    {
        if (streams.TryGetValue(name, out var known))
            return (EventStream<TState>)known;
        var events = await Session.Events.FetchStreamAsync(name, token: ct);
        var state = events.Aggregate(nothing, (soFar, next) => fold(soFar, next.Data));
        var stream = new EventStream<TState>(name, events.Count == 0 ? 0 : events[^1].Version, state, fold);
        streams.Add(name, stream);
        return stream;
    }

    /// <summary>Reads several streams; those that do not exist cost one query together.</summary>
    /// <inheritdoc cref="Read"/>
    public async Task<IReadOnlyDictionary<string, EventStream<TState>>> ReadAll<TState>(
        IReadOnlyCollection<string> names, TState nothing, Func<TState, object, TState> fold, CancellationToken ct)
    {
        var existing = new HashSet<string>();
        await using (var command = new NpgsqlCommand("select id from kuik.mt_streams where id = any($1)", Connection) { Parameters = { new() { Value = names.ToArray() } } })
        await using (var rows = await command.ExecuteReaderAsync(ct))
            while (await rows.ReadAsync(ct))
                existing.Add(rows.GetString(0));
        var read = new Dictionary<string, EventStream<TState>>();
        foreach (var name in names.Distinct())
        {
            if (!existing.Contains(name))
                streams.TryAdd(name, new EventStream<TState>(name, 0, nothing, fold));
            read.Add(name, await Read(name, nothing, fold, ct));
        }
        return read;
    }

    /// <summary>Postgres' clock, as of the beginning of this transaction: the one clock by which replicas compare leases.</summary>
    public async Task<DateTimeOffset> Now(CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select now()", Connection);
        return new DateTimeOffset((DateTime)(await command.ExecuteScalarAsync(ct))!);
    }

    /// <summary>Records in the log which message made us append, for audit.</summary>
    /// <param name="messageId">The message's id, which is the id of the event it carried; null changes nothing.</param>
    public void CausedBy(Guid? messageId) => Session.CausationId = messageId?.ToString() ?? Session.CausationId;

    /// <summary>The names of the streams that are appended to.</summary>
    internal IReadOnlyList<string> Appended => [.. Changed.Select(stream => stream.Name)];

    private IEnumerable<IPendingStream> Changed => streams.Values.Where(stream => stream.Pending.Count > 0);

    internal async Task Save(CancellationToken ct)
    {
        foreach (var stream in Changed)
            Session.Events.Append(stream.Name, stream.Version + stream.Pending.Count, stream.Pending);
        await Session.SaveChangesAsync(ct);
    }
}

/// <summary>A stream as it was read in a transaction, and what is about to be appended to it.</summary>
public sealed class EventStream<TState> : IPendingStream
{
    private readonly List<object> pending = [];
    private readonly Func<TState, object, TState> fold;

    internal EventStream(string name, long version, TState state, Func<TState, object, TState> fold)
    {
        (Name, Version, State) = (name, version, state);
        this.fold = fold;
    }

    /// <summary>The stream's key.</summary>
    public string Name { get; }

    /// <summary>How many events it had when it was read; 0 when it did not exist.</summary>
    public long Version { get; }

    /// <summary>The fold of all of its events, including those appended here.</summary>
    public TState State { get; private set; }

    IReadOnlyList<object> IPendingStream.Pending => pending;

    /// <summary>Appends when the transaction commits.</summary>
    /// <param name="fact">An event of Kuik.Contracts.</param>
    public void Append(object fact)
    {
        pending.Add(fact);
        State = fold(State, fact);
    }
}

internal interface IPendingStream
{
    string Name { get; }
    long Version { get; }
    IReadOnlyList<object> Pending { get; }
}
