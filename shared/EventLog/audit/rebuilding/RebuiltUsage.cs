using Npgsql;

namespace Kuik.EventLog.Audit;

/// <summary>The usage table and the digests that pods run, by user.</summary>
internal sealed class RebuiltUsage : IRebuiltPart
{
    private const string Users = "select image, pod_uid, namespace, pod_name, pull_secrets from kuik.image_users";
    private const string Digests = "select image, pod_uid, digest from kuik.running_digests";

    /// <inheritdoc/>
    public string Name => "usage";

    /// <inheritdoc/>
    public IReadOnlyList<string> Tables { get; } = ["kuik.image_users", "kuik.running_digests"];

    /// <inheritdoc/>
    public HashSet<string> KeysOf(TouchedKeys touched) => touched.Users;

    /// <inheritdoc/>
    public async Task<IReadOnlyCollection<string>> FindDifferent(
        NpgsqlConnection connection, FoldedLog log, IReadOnlyCollection<string>? keys, CancellationToken ct)
    {
        var (different, users, digests) = (new HashSet<string>(), new Dictionary<string, int>(), new Dictionary<string, int>());
        await using (var rows = await Read(connection, Users, keys, ct))
            while (await rows.ReadAsync(ct))
                Count(rows.GetString(1), IsUse(rows, log), users, different);
        await using (var rows = await Read(connection, Digests, keys, ct))
            while (await rows.ReadAsync(ct))
                Count(rows.GetString(1), IsDigest(rows, log), digests, different);
        foreach (var key in keys ?? [.. log.State.Users.Keys])
            if (log.State.Users.GetValueOrDefault(key) is { } user && (users.GetValueOrDefault(key) != user.References.Count()
                || digests.GetValueOrDefault(key) != DigestsOf(user).Images.Length))
                different.Add(key);
        return different;
    }

    /// <inheritdoc/>
    public async Task<int> Replace(NpgsqlConnection connection, FoldedLog log, IReadOnlyCollection<string> keys, CancellationToken ct)
    {
        await using (var delete = new NpgsqlCommand("""
            with digests as (delete from kuik.running_digests where pod_uid = any($1))
            delete from kuik.image_users where pod_uid = any($1)
            """, connection) { Parameters = { new() { Value = keys.ToArray() } }, CommandTimeout = 0 })
            await delete.ExecuteNonQueryAsync(ct);
        var users = keys.Select(key => log.State.Users.GetValueOrDefault(key)).OfType<UserRecord>().ToList();
        await EventImport.WriteUsers(connection, users, ct);
        await using var copy = await connection.BeginBinaryImportAsync(
            "copy kuik.running_digests (image, pod_uid, digest) from stdin (format binary)", ct);
        foreach (var user in users)
        {
            var (images, digests) = DigestsOf(user);
            for (var i = 0; i < images.Length; i++)
            {
                await copy.StartRowAsync(ct);
                await copy.WriteAsync(images[i], ct);
                await copy.WriteAsync(user.Key, ct);
                await copy.WriteAsync(digests[i], ct);
            }
        }
        await copy.CompleteAsync(ct);
        return keys.Count;
    }

    // A workload runs nothing.
    private static (string[] Images, string[] Digests) DigestsOf(UserRecord user) =>
        UserKey.KindOf(user.Key) is null ? RunningDigests.Of(user.Images) : ([], []);

    private static bool IsUse(NpgsqlDataReader row, FoldedLog log) =>
        log.State.Users.GetValueOrDefault(row.GetString(1)) is { } user && user.Images.Any(one => one.Image == row.GetString(0))
        && user.Namespace == row.GetString(2) && user.Name == row.GetString(3)
        && user.PullSecrets.SequenceEqual(row.GetFieldValue<string[]>(4));

    private static bool IsDigest(NpgsqlDataReader row, FoldedLog log)
    {
        if (log.State.Users.GetValueOrDefault(row.GetString(1)) is not { } user)
            return false;
        var (images, digests) = DigestsOf(user);
        return Array.IndexOf(images, row.GetString(0)) is >= 0 and var place && digests[place] == row.GetString(2);
    }

    private static void Count(string key, bool isRight, Dictionary<string, int> found, HashSet<string> different)
    {
        if (isRight)
            found[key] = found.GetValueOrDefault(key) + 1;
        else
            different.Add(key);
    }

    private static async Task<NpgsqlDataReader> Read(
        NpgsqlConnection connection, string query, IReadOnlyCollection<string>? keys, CancellationToken ct) =>
        await RebuiltRows.Read(connection, query, "pod_uid", keys, ct);
}
