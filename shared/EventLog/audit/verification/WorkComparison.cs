using Kuik.Contracts;
using Npgsql;

namespace Kuik.EventLog.Audit;

/// <summary>Compares the work table with the open work of each image's state. Times are scheduling and are not compared.</summary>
internal sealed class WorkComparison(NpgsqlConnection connection)
{
    /// <summary>Work that is open and has no row, rows of work that is not open, and claims that the log does not know.</summary>
    public async Task<IReadOnlyList<LogDifference>> Compare(ReplayedState state, CancellationToken ct)
    {
        var differences = new List<LogDifference>();
        var open = state.Images.Values.Where(image => image.Unreadable == 0)
            .SelectMany(image => ImageWork.From(image.State).Select(work =>
                (Key: (image.Image, WorkTable.NameOf(work.Kind)), work.Attempt)))
            .ToDictionary(work => work.Key, work => work.Attempt);
        await using var command = new NpgsqlCommand("select image, kind, attempt from kuik.work order by image, kind", connection);
        await using var rows = await command.ExecuteReaderAsync(ct);
        while (await rows.ReadAsync(ct))
        {
            var (image, kind, attempt) = (rows.GetString(0), rows.GetString(1), rows.GetInt64(2));
            if (open.Remove((image, kind), out var expected))
            {
                // A claim on a verification is no event.
                if (attempt != expected && kind is "fetch" or "evict")
                    differences.Add(new LogDifference("work", image, $"{kind} is of attempt {attempt}, in the log of {expected}"));
            }
            else if (state.Images.GetValueOrDefault(image) is not { Unreadable: > 0 })
                differences.Add(new LogDifference("work", image, $"there is work {kind}, and by the log none is open"));
        }
        differences.AddRange(open.Keys.Select(work =>
            new LogDifference("work", work.Image, $"by the log {work.Item2} is open, and there is no row")));
        return differences;
    }
}
