using Npgsql;

namespace Kuik.EventLog.Audit;

/// <summary>Compares the usage table with the users that the log knows.</summary>
internal sealed class UsageComparison(NpgsqlConnection connection)
{
    /// <summary>The rows that are missing, that the log does not justify, or that say something else.</summary>
    public async Task<IReadOnlyList<LogDifference>> Compare(ReplayedState state, CancellationToken ct)
    {
        var differences = new List<LogDifference>();
        var found = new Dictionary<string, int>();
        await using (var command = new NpgsqlCommand(
            "select image, pod_uid, namespace, pod_name, pull_secrets from kuik.image_users order by pod_uid, image", connection))
        await using (var rows = await command.ExecuteReaderAsync(ct))
            while (await rows.ReadAsync(ct))
            {
                var row = new ImageUser(
                    rows.GetString(0), rows.GetString(1), rows.GetString(2), rows.GetString(3), rows.GetFieldValue<string[]>(4));
                if (!state.Users.TryGetValue(row.PodUid, out var user) || !user.References.Contains(row.Image))
                    differences.Add(new LogDifference("usage", row.PodUid,
                        $"a row states that {row.Namespace}/{row.PodName} uses {row.Image}, the log does not"));
                else if (Describe(row, user) is { } wrong)
                    differences.Add(new LogDifference("usage", row.PodUid, $"the row of {row.Image}: {wrong}"));
                else
                    found[row.PodUid] = found.GetValueOrDefault(row.PodUid) + 1;
            }
        foreach (var user in state.Users.Values.Where(user => found.GetValueOrDefault(user.Key) != user.References.Count()))
            differences.AddRange(await FindMissing(user, ct));
        return differences;
    }

    private async Task<IEnumerable<LogDifference>> FindMissing(UserRecord user, CancellationToken ct)
    {
        var rows = await ImageUsers.OfPod(connection, user.Key, ct);
        return user.References.Except(rows.Select(row => row.Image)).Select(image => new LogDifference(
            "usage", user.Key, $"the log says that {user.Namespace}/{user.Name} uses {image}, and there is no row"));
    }

    private static string? Describe(ImageUser row, UserRecord user)
    {
        if ((row.Namespace, row.PodName) != (user.Namespace, user.Name))
            return $"it names {row.Namespace}/{row.PodName}, the log {user.Namespace}/{user.Name}";
        return row.PullSecrets.SequenceEqual(user.PullSecrets)
            ? null
            : $"its pull secrets are [{string.Join(", ", row.PullSecrets)}], in the log [{string.Join(", ", user.PullSecrets)}]";
    }
}
