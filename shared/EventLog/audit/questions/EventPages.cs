using System.Globalization;
using System.Runtime.CompilerServices;
using Npgsql;

namespace Kuik.EventLog.Audit;

/// <summary>Reads the log in its order, as a whole or in pages.</summary>
/// <param name="connection">Open, and used for nothing else meanwhile.</param>
/// <param name="progress">Gets the progress; null for none.</param>
public sealed class EventPages(NpgsqlConnection connection, IProgress<LogProgress>? progress = null)
{
    /// <summary>So many events are looked at for a page, asked for or not: a rare one is not searched for in one long request.</summary>
    private const int MostRead = 20_000;

    private readonly EventPositions _positions = new(connection);
    private readonly EventReader _reader = new(connection);

    /// <summary>All events of a question; null for its <c>After</c> is the beginning of the log.</summary>
    public async Task<EventList> ReadAll(EventQuestion question, CancellationToken ct)
    {
        var (after, until) = (await _positions.Find(question.After, ct) ?? 0, await _positions.Find(question.Until, ct) ?? long.MaxValue);
        var lines = new List<EventLine>();
        await foreach (var (sequence, line) in Read(question, after, until, ct))
        {
            if (line is not null)
                lines.Add(line);
            progress?.Report(new LogProgress(sequence, null));
        }
        return new EventList(lines) { Horizon = (await _positions.Horizon(ct)).After(after) };
    }

    /// <summary>A page of events.</summary>
    /// <param name="question">The events; after the end of the log, none.</param>
    /// <param name="end">The last sequence number below which no transaction may still append.</param>
    /// <param name="limit">The largest number of events.</param>
    /// <param name="ct">Cancels it.</param>
    public async Task<EventPage> Read(EventQuestion question, long end, int limit, CancellationToken ct)
    {
        var after = await _positions.Find(question.After, ct) ?? end;
        var until = Math.Min(await _positions.Find(question.Until, ct) ?? end, end);
        var (lines, read, last) = (new List<EventLine>(), 0, after);
        await foreach (var (sequence, line) in Read(question, after, until, ct))
        {
            last = sequence;
            if (line is not null)
                lines.Add(line);
            if (lines.Count == limit || ++read == MostRead)
                break;
        }
        var isCut = lines.Count == limit || read == MostRead;
        return new EventPage(lines, isCut ? last : Math.Max(after, until))
        {
            Next = isCut && last < until ? last.ToString(CultureInfo.InvariantCulture) : null,
            Horizon = (await _positions.Horizon(ct)).After(after),
        };
    }

    // With a null line for an event that is not asked for.
    private async IAsyncEnumerable<(long Sequence, EventLine? Line)> Read(
        EventQuestion question, long after, long until, [EnumeratorCancellation] CancellationToken ct)
    {
        await foreach (var one in _reader.Read(new EventQuery { After = after, Until = until, Types = question.Types }, ct))
            yield return (one.Sequence, question.Find(one));
    }
}
