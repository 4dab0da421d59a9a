using Npgsql;

namespace Kuik.EventLog.Audit;

/// <summary>Finds the users of an image, now or at an earlier place in the log.</summary>
/// <param name="connection">Open.</param>
public sealed class ImageUserReader(NpgsqlConnection connection)
{
    private const int StreamsARead = 500;

    /// <summary>The pods and workloads that use the image, by namespace and name.</summary>
    /// <param name="image">The normalised reference.</param>
    /// <param name="until">The place in the log; null for the present, by the usage table.</param>
    /// <param name="ct">Cancels it.</param>
    public async Task<IReadOnlyList<UserRecord>> Find(string image, long? until, CancellationToken ct)
    {
        var candidates = until is { } place ? await FindCandidates(image, place, ct)
            : (await ImageUsers.Of(connection, image, ct)).Select(user => user.PodUid);
        var state = new ReplayedState();
        var reader = new EventReader(connection);
        foreach (var streams in candidates.Select(UserKey.StreamOf).Chunk(StreamsARead))
            await foreach (var one in reader.Read(new EventQuery { Streams = streams, Until = until ?? long.MaxValue, ForFold = true }, ct))
                state.Apply(one);
        return state.UsersOf(image);
    }

    // Those whose last event about the image is an observation: a later one without the image is not among them.
    private async Task<IEnumerable<string>> FindCandidates(string image, long until, CancellationToken ct)
    {
        var live = new HashSet<string>();
        await foreach (var one in new EventReader(connection).Read(new EventQuery { UsersOf = image, Until = until, ForFold = true }, ct))
            if (UserRecord.Read(one.Fact) is { } use)
                _ = use.User is null ? live.Remove(use.Key) : live.Add(use.Key);
        return live;
    }
}
