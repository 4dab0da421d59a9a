using JasperFx.Events;
using Kuik.Contracts;
using Marten;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// A Postgres transaction for one decision: take locks (<see cref="ImageLocks"/>), read and write the usage table
/// (<see cref="ImageUsers"/>), read streams, append to them. All of it is committed at once, or none of it.
/// </summary>
/// <remarks>
/// The isolation level is read committed: each statement sees the data committed before it began. A lock that is taken first therefore
/// orders everything read after it. Not thread-safe. Created by <see cref="EventLogTransactions"/>.
/// </remarks>
public sealed class EventLogTransaction
{
    private readonly Dictionary<string, IPendingStream> _streams = [];
    private readonly Dictionary<string, ImageState> _snapshots = [];
    private readonly TimeSpan _announcement;

    /// <param name="session">In the transaction.</param>
    /// <param name="connection">Its connection.</param>
    /// <param name="announcement">See <see cref="WorkTable.Update"/>.</param>
    internal EventLogTransaction(IDocumentSession session, NpgsqlConnection connection, TimeSpan announcement) =>
        (Session, Connection, _announcement) = (session, connection, announcement);

    /// <summary>For other SQL in this transaction. Do not close it and do not commit.</summary>
    public NpgsqlConnection Connection { get; }

    /// <summary>Marten's session in this transaction, for documents. Append through <see cref="EventStream{TState}"/>; do not save
    /// changes.</summary>
    public IDocumentSession Session { get; }

    /// <summary>
    /// Reads the state of an image: its snapshot and the events after it. If events are appended to it, the transaction fails with a
    /// conflict (and runs again) when the image has changed since; the snapshot and the work table change with it.
    /// </summary>
    /// <param name="image">The normalised reference.</param>
    /// <param name="ct">Cancels it.</param>
    public async Task<EventStream<ImageState>> ReadImage(string image, CancellationToken ct) => (await ReadImages([image], ct))[0];

    /// <summary>The same for several images, in one query.</summary>
    public async Task<IReadOnlyList<EventStream<ImageState>>> ReadImages(IReadOnlyCollection<string> images, CancellationToken ct)
    {
        var unread = images.Select(StreamName.OfImage).Where(name => !_streams.ContainsKey(name)).Distinct().ToList();
        foreach (var stored in unread.Count == 0 ? [] : await ImageStates.Read(Connection, unread, ct))
        {
            var (state, version) = (stored.State, stored.Version);
            if (stored.Version != stored.StreamVersion)
            {
                var later = await Session.Events.FetchStreamAsync(stored.Stream, fromVersion: stored.Version + 1, token: ct);
                state = later.Aggregate(state, (soFar, next) => ImageState.Fold(soFar, next.Data));
                version = later.Count == 0 ? version : later[^1].Version;
            }
            _snapshots[stored.Stream] = stored.State;
            _streams.Add(stored.Stream, new EventStream<ImageState>(stored.Stream, version, state, ImageState.Fold));
        }
        return [.. images.Select(image => (EventStream<ImageState>)_streams[StreamName.OfImage(image)])];
    }

    /// <summary>Makes the work table agree with an image's state: for announced work that turned out not to be due.</summary>
    public async Task RepairWork(string image, CancellationToken ct) =>
        await Execute([.. WorkTable.Repair((await ReadImage(image, ct)).State)], ct);

    /// <summary>
    /// Brings the snapshots and the work of these images up to their streams, after a writer of an earlier
    /// version has appended without them.
    /// </summary>
    /// <returns>The number of outdated images.</returns>
    internal async Task<int> Refresh(IReadOnlyCollection<string> images, CancellationToken ct)
    {
        var read = await ReadImages(images, ct);
        var old = read.Where(stream => stream.Version > 0 && !ReferenceEquals(stream.State, _snapshots[stream.Name])).ToList();
        if (old.Count > 0)
            await Execute([ImageStates.Write([.. old.Select(stream => (stream.State, stream.Version))]),
                .. old.SelectMany(stream => WorkTable.Repair(stream.State))], ct);
        return old.Count;
    }

    /// <summary>
    /// Reads a stream and folds it. If events are appended to it, the transaction fails with a conflict (and runs again) when another
    /// writer has appended to it since.
    /// </summary>
    /// <param name="name">From <see cref="StreamName"/>. A stream that does not exist yet is read as one without events.</param>
    /// <param name="nothing">The state before the first event.</param>
    /// <param name="fold">The state after one more event; pure, and the same state for unknown events.</param>
    /// <param name="ct">Cancels it.</param>
    /// <exception cref="InvalidCastException">The stream has been read in this transaction with another type of state.</exception>
    public async Task<EventStream<TState>> Read<TState>(string name, TState nothing, Func<TState, object, TState> fold,
        CancellationToken ct)
    {
        if (_streams.TryGetValue(name, out var known))
            return (EventStream<TState>)known;
        return Keep(name, await Session.Events.FetchStreamAsync(name, token: ct), nothing, fold);
    }

    /// <summary>Reads several streams, with two queries.</summary>
    /// <inheritdoc cref="Read"/>
    public async Task<IReadOnlyDictionary<string, EventStream<TState>>> ReadAll<TState>(
        IReadOnlyCollection<string> names, TState nothing, Func<TState, object, TState> fold, CancellationToken ct)
    {
        var existing = new HashSet<string>();
        await using (var command = new NpgsqlCommand("select id from kuik.mt_streams where id = any($1)", Connection)
        { Parameters = { new() { Value = names.ToArray() } } })
        await using (var rows = await command.ExecuteReaderAsync(ct))
            while (await rows.ReadAsync(ct))
                existing.Add(rows.GetString(0));
        var unread = names.Distinct().Where(name => !_streams.ContainsKey(name)).ToList();
        var batch = Session.CreateBatchQuery();
        var fetched = unread.Where(existing.Contains).ToDictionary(name => name, name => batch.Events.FetchStream(name));
        if (fetched.Count > 0)
            await batch.Execute(ct);
        foreach (var name in unread)
            Keep(name, fetched.TryGetValue(name, out var events) ? await events : [], nothing, fold);
        return names.Distinct().ToDictionary(name => name, name => (EventStream<TState>)_streams[name]);
    }

    private EventStream<TState> Keep<TState>(string name, IReadOnlyList<IEvent> events, TState nothing, Func<TState, object, TState> fold)
    {
        var state = events.Aggregate(nothing, (soFar, next) => fold(soFar, next.Data));
        var stream = new EventStream<TState>(name, events.Count == 0 ? 0 : events[^1].Version, state, fold);
        _streams.Add(name, stream);
        return stream;
    }

    /// <summary>Postgres' clock, at the beginning of this transaction: the common clock by which replicas compare leases.</summary>
    public async Task<DateTimeOffset> Now(CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select now()", Connection);
        return new DateTimeOffset((DateTime)(await command.ExecuteScalarAsync(ct))!);
    }

    /// <summary>Records in the log the message that caused the append, for audit.</summary>
    /// <param name="messageId">The message's id, which is the id of the event it carried; null changes nothing.</param>
    public void CausedBy(Guid? messageId) => Session.CausationId = messageId?.ToString() ?? Session.CausationId;

    /// <summary>The names of the streams with appended events.</summary>
    internal IReadOnlyList<string> Appended => [.. Changed.Select(stream => stream.Name)];

    // In one order, so that two transactions which append to the same streams wait for each other and do not deadlock.
    private IEnumerable<IPendingStream> Changed =>
        _streams.Values.Where(stream => stream.Pending.Count > 0).OrderBy(stream => stream.Name, StringComparer.Ordinal);

    internal async Task Save(CancellationToken ct)
    {
        var changed = Changed.ToList();
        foreach (var stream in changed)
            Session.Events.Append(stream.Name, stream.Version + stream.Pending.Count, [.. stream.Pending.Select(WithTrace)]);
        await Session.SaveChangesAsync(ct);
        var images = changed.OfType<EventStream<ImageState>>().ToList();
        if (images.Count > 0)
            await Execute([ImageStates.Write([.. images.Select(image => (image.State, image.Version + image.Appended))]),
                .. images.SelectMany(image => WorkTable.Update(_snapshots[image.Name], image.State, _announcement))], ct);
    }

    private object WithTrace(PendingEvent pending)
    {
        if (pending.TraceParent is not { } trace)
            return pending.Fact;
        var fact = Session.Events.BuildEvent(pending.Fact);
        fact.SetHeader("traceparent", trace);
        return fact;
    }

    private async Task Execute(IReadOnlyList<NpgsqlBatchCommand> commands, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(Connection);
        foreach (var command in commands)
            batch.BatchCommands.Add(command);
        await batch.ExecuteNonQueryAsync(ct);
    }
}
