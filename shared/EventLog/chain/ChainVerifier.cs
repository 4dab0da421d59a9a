using System.Runtime.CompilerServices;
using Npgsql;

namespace Kuik.EventLog.Audit;

/// <summary>
/// Computes the hash of every event again and compares the chain with what is recorded and with heads that were kept elsewhere. Changes
/// nothing. docs/decisions/0027-hash-chain.md says what that proves.
/// </summary>
/// <param name="connection">In a transaction with repeatable reads.</param>
public sealed class ChainVerifier(NpgsqlConnection connection)
{
    private const int PageSize = 2000;

    internal const string HashesQuery =
        "select seq_id, hash, content from kuik.event_hashes where seq_id > $1 order by seq_id limit $2";

    private readonly List<ChainDifference> _differences = [];
    private byte[] _previous = EventHash.Genesis;
    private long _previousSequence;
    private long _events;
    private long _removed;
    private long _unchained;
    private LogHorizon _horizon = LogHorizon.None;

    /// <summary>Verifies the chain.</summary>
    /// <param name="kept">Heads that were kept; the log has to lead to each of them.</param>
    /// <param name="progress">Gets the sequence number after each thousand events; null for none.</param>
    /// <param name="ct">Cancels it.</param>
    /// <exception cref="NpgsqlException">Postgres fails.</exception>
    public async Task<ChainVerification> Verify(IReadOnlyCollection<KeptHead> kept, IProgress<long>? progress, CancellationToken ct)
    {
        _horizon = await LogHorizon.Read(connection, ct);
        var (head, _) = await ReadHead(ct);
        var isRecorded = head > 0;
        var open = kept.ToHashSet();
        await foreach (var (sequence, one, row) in Merge(ct))
        {
            if (isRecorded)
                Compare(sequence, one, row, head);
            else
                Accept(sequence, EventHash.Next(_previous, EventHash.OfContent(one!)));
            foreach (var passed in open.Where(passed => passed.Sequence <= sequence && passed.Sequence <= _previousSequence).ToList())
            {
                open.Remove(passed);
                CompareKept(passed);
            }
            if (_events % 1000 == 0)
                progress?.Report(sequence);
        }
        foreach (var beyond in open)
            Report(beyond.Sequence, $"the chain ends at event {_previousSequence}, before the kept head: later events were removed");
        return new ChainVerification(
            _previousSequence == 0 ? null : new KeptHead(_previousSequence, TextOf(_previous)), isRecorded, _events, _removed, _unchained,
            _horizon, [.. _differences.OrderBy(one => one.Sequence)]);
    }

    private void Compare(long sequence, RecordedEvent? one, Row? row, long head)
    {
        if (row is null)
        {
            if (sequence > head)
                _unchained++;
            else
                Report(sequence, "it has no hash, and the chain is past it: it was inserted later");
            return;
        }
        if (one is null && row.Content is null)
            Report(sequence, "there is its hash, and no event: it was removed");
        else if (!EventHash.Next(_previous, one is null ? row.Content! : EventHash.OfContent(one)).AsSpan().SequenceEqual(row.Hash))
            Report(sequence, one is null
                ? $"the hash of its content, which retention has left, does not lead from event {_previousSequence} to its hash"
                : $"it is not what was recorded after event {_previousSequence}: it was changed, or another one between them removed with "
                    + "its hash");
        else if (one is null && sequence > _horizon.Sequence)
            Report(sequence, $"it was removed, and retention has reached {_horizon} only");
        _removed += one is null ? 1 : 0;
        Accept(sequence, row.Hash);
    }

    private void Accept(long sequence, byte[] hash)
    {
        (_previous, _previousSequence) = (hash, sequence);
        _events++;
    }

    private void CompareKept(KeptHead passed)
    {
        if (passed.Sequence != _previousSequence)
            Report(passed.Sequence, "the chain has no hash of the kept head's event: it was removed");
        else if (TextOf(_previous) != passed.Hash)
            Report(passed.Sequence, $"the kept head has another hash than the chain ({TextOf(_previous)}): events up to it were changed or "
                + "removed, and hashes computed again");
    }

    private void Report(long sequence, string found) => _differences.Add(new ChainDifference(sequence, found));

    /// <summary>Events and rows by their sequence number; one of them may be missing.</summary>
    private async IAsyncEnumerable<(long Sequence, RecordedEvent? Event, Row? Row)> Merge([EnumeratorCancellation] CancellationToken ct)
    {
        var events = new Queue<RecordedEvent>(await ReadEvents(long.MinValue, ct));
        var rows = new Queue<Row>(await ReadRows(long.MinValue, ct));
        while (events.Count > 0 || rows.Count > 0)
        {
            var sequence = Math.Min(
                events.TryPeek(out var one) ? one.Sequence : long.MaxValue, rows.TryPeek(out var row) ? row.Sequence : long.MaxValue);
            var (isEvent, isRow) = (one?.Sequence == sequence, row?.Sequence == sequence);
            yield return (sequence, isEvent ? events.Dequeue() : null, isRow ? rows.Dequeue() : null);
            if (isEvent && events.Count == 0)
                events = new Queue<RecordedEvent>(await ReadEvents(sequence, ct));
            if (isRow && rows.Count == 0)
                rows = new Queue<Row>(await ReadRows(sequence, ct));
        }
    }

    private Task<List<RecordedEvent>> ReadEvents(long after, CancellationToken ct) =>
        ChainedEventReader.ReadPage(connection, after, long.MaxValue, PageSize, ct);

    private async Task<List<Row>> ReadRows(long after, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(HashesQuery, connection)
        {
            Parameters = { new() { Value = after }, new() { Value = PageSize } },
        };
        await using var rows = await command.ExecuteReaderAsync(ct);
        var page = new List<Row>();
        while (await rows.ReadAsync(ct))
            page.Add(new Row(rows.GetInt64(0), rows.GetFieldValue<byte[]>(1), rows.IsDBNull(2) ? null : rows.GetFieldValue<byte[]>(2)));
        return page;
    }

    private Task<(long Sequence, byte[] Hash)> ReadHead(CancellationToken ct) => HashChain.ReadHead(connection, ct);

    private static string TextOf(byte[] hash) => Convert.ToHexStringLower(hash);

    private sealed record Row(long Sequence, byte[] Hash, byte[]? Content);
}
