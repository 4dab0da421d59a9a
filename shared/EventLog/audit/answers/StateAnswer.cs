namespace Kuik.EventLog.Audit;

/// <summary>The state of everything at one place in the log.</summary>
/// <param name="Sequence">The sequence number of the last event in it; 0 for none.</param>
/// <param name="Time">UTC: when that event was recorded; null for none.</param>
/// <param name="Events">The number of events in it.</param>
/// <param name="Unreadable">The number of events that this version cannot read, by type.</param>
/// <param name="Images">By reference, those that have left the cache included.</param>
/// <param name="Users">Pods and workloads, by user key.</param>
public sealed record StateAnswer(
    long Sequence, DateTimeOffset? Time, long Events, IReadOnlyDictionary<string, int> Unreadable, IReadOnlyList<ImageRow> Images,
    IReadOnlyList<UserRecord> Users)
{
    /// <summary>The answer of a state.</summary>
    public static StateAnswer Of(ReplayedState state)
    {
        var users = state.UserCounts();
        return new StateAnswer(state.Sequence, state.RecordedAt, state.Events, state.Unreadable,
            [
                .. state.Images.Values.OrderBy(image => image.Image, StringComparer.Ordinal)
                    .Select(image => ImageRow.Of(image, users.GetValueOrDefault(image.Image))),
            ],
            [.. state.Users.Values.OrderBy(user => user.Key, StringComparer.Ordinal)]);
    }
}
