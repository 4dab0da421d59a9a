using System.Globalization;
using Npgsql;

namespace Kuik.EventLog.Audit;

/// <summary>Finds the uses of images within a time.</summary>
/// <param name="connection">Open, and used for nothing else meanwhile.</param>
/// <param name="progress">Gets the progress; null for none.</param>
internal sealed class UseReader(NpgsqlConnection connection, IProgress<LogProgress>? progress)
{
    /// <summary>The uses.</summary>
    /// <exception cref="AnswerTooLongException">There are more than the question takes.</exception>
    public async Task<UseList> Find(UseHistoryQuestion question, CancellationToken ct)
    {
        var positions = new EventPositions(connection);
        var after = await positions.Find(question.Since, ct) ?? 0;
        var until = await positions.Find(question.Until, ct) ?? long.MaxValue;
        var uses = new UseHistory(question.Filter, after);
        var query = new EventQuery { Until = until, Types = UseHistory.Types, ForFold = true };
        await foreach (var one in new EventReader(connection).Read(query, ct))
        {
            uses.Apply(one);
            if (uses.EndedCount > question.Most)
                throw TooMany(question.Most.Value);
            progress?.Report(new LogProgress(one.Sequence, null));
        }
        var rows = uses.Uses;
        if (rows.Count > question.Most)
            throw TooMany(question.Most.Value);
        return new UseList(rows) { Horizon = (await positions.Horizon(ct)).After(after) };
    }

    private static AnswerTooLongException TooMany(int most) => new(string.Create(CultureInfo.InvariantCulture,
        $"there are more than {most:N0} uses: ask about one image, digest, node, owner or namespace, or about a shorter time"));
}
