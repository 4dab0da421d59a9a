using Kuik.Contracts;
using Npgsql;
using Weasel.Postgresql.Tables;

namespace Kuik.EventLog;

/// <summary>
/// The digests that pods run, beside the usage table: one row for each image and pod whose digest is known. Changed with the usage table.
/// It is a table of its own because versions that create tables themselves would drop a new column of one that they know.
/// </summary>
public static class RunningDigests
{
    /// <summary>Removes a pod's rows. Parameter: its uid.</summary>
    internal const string RemoveSql = "delete from kuik.running_digests where pod_uid = ?";

    /// <summary>Adds a pod's rows. Parameters: images, its uid, digests.</summary>
    internal const string InsertSql =
        "insert into kuik.running_digests (image, pod_uid, digest) select unnest(?), ?, unnest(?)";

    // A row of a pod that is not in the usage table any more is of a version that does not know this table.
    internal const string InUseQuery = $"""
        with pods as (select image, pod_uid from kuik.image_users where {ImageUsers.Repository} = $1 and strpos(pod_uid, '/') = 0),
        users as (select image, d.digest from pods left join kuik.running_digests d using (image, pod_uid))
        select digest from users where digest is not null
        union
        select jsonb_array_elements_text(s.state -> 'replacedDigests')
        from users u join kuik.image_states s on s.image = u.image where u.digest is null
        """;

    /// <summary>Makes the table what the log says: the last event of each pod decides.</summary>
    internal const string RebuildSql = """
        delete from kuik.running_digests;
        insert into kuik.running_digests (image, pod_uid, digest)
        select one ->> 'image', data ->> 'podUid', max(one ->> 'digest')
        from (
            select distinct on (stream_id) type, data from kuik.mt_events
            where type in ('PodObserved', 'PodGone') and not is_archived order by stream_id, version desc) as last,
            jsonb_array_elements(data -> 'images') as images(one)
        where type = 'PodObserved' and one ->> 'digest' is not null group by one ->> 'image', data ->> 'podUid'
        """;

    /// <summary>
    /// The digests of a repository that have to stay in the cache beside those that its tags name: the digests that pods run, and those
    /// that a moved tag had, where the digest of one of its pods is not known yet.
    /// </summary>
    /// <param name="postgres">The event log's database.</param>
    /// <param name="repository">Host and path: <c>docker.io/library/nginx</c>.</param>
    /// <param name="ct">Cancels it.</param>
    public static async Task<IReadOnlyList<string>> FindInUse(NpgsqlDataSource postgres, string repository, CancellationToken ct)
    {
        await using var command = postgres.CreateCommand(InUseQuery);
        command.Parameters.Add(new() { Value = repository });
        await using var rows = await command.ExecuteReaderAsync(ct);
        var digests = new List<string>();
        while (await rows.ReadAsync(ct))
            digests.Add(rows.GetString(0));
        return digests;
    }

    /// <summary>The images of containers whose digest is known, and that digest, each image once.</summary>
    internal static (string[] Images, string[] Digests) Of(IReadOnlyList<PodImage> images)
    {
        var known = images.Where(image => image.Digest is not null).OrderBy(image => image.Image, StringComparer.Ordinal)
            .ThenByDescending(image => image.Digest, StringComparer.Ordinal).DistinctBy(image => image.Image).ToList();
        return ([.. known.Select(image => image.Image)], [.. known.Select(image => image.Digest!)]);
    }

    /// <summary>The table, for Marten to create with its own.</summary>
    internal static Table Table()
    {
        var table = new Table("kuik.running_digests");
        table.AddColumn<string>("image").NotNull().AsPrimaryKey();
        table.AddColumn<string>("pod_uid").NotNull().AsPrimaryKey();
        table.AddColumn<string>("digest").NotNull();
        table.Indexes.Add(new IndexDefinition("running_digests_pod_uid") { Columns = ["pod_uid"] });
        return table;
    }
}
