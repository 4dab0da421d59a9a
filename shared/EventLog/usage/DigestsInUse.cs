using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// The digests of a repository that have to stay in the cache beside those that its tags name: the digests that pods run, and those that a
/// moved tag had, where the digest of one of its pods is not known yet.
/// </summary>
public static class DigestsInUse
{
    internal const string Query = $"""
        with users as (
            select distinct image, digest from kuik.image_users where {ImageUsers.Repository} = $1 and strpos(pod_uid, '/') = 0)
        select digest from users where digest is not null
        union
        select jsonb_array_elements_text(s.state -> 'replacedDigests')
        from users u join kuik.image_states s on s.image = u.image where u.digest is null
        """;

    /// <summary>Reads them.</summary>
    /// <param name="postgres">The event log's database.</param>
    /// <param name="repository">Host and path: <c>docker.io/library/nginx</c>.</param>
    /// <param name="ct">Cancels it.</param>
    public static async Task<IReadOnlyList<string>> Find(NpgsqlDataSource postgres, string repository, CancellationToken ct)
    {
        await using var command = postgres.CreateCommand(Query);
        command.Parameters.Add(new() { Value = repository });
        await using var rows = await command.ExecuteReaderAsync(ct);
        var digests = new List<string>();
        while (await rows.ReadAsync(ct))
            digests.Add(rows.GetString(0));
        return digests;
    }
}
