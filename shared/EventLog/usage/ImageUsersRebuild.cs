using Npgsql;

namespace Kuik.EventLog;

/// <summary>The result of a rebuild of the usage table.</summary>
/// <param name="Missing">The number of rows that have been added.</param>
/// <param name="Surplus">The number of rows that have been removed, because the log does not justify them.</param>
public sealed record ImageUsersDifference(long Missing, long Surplus);

/// <summary>
/// Rebuilds the usage table from the log: the last event of each pod and workload decides. The rows are computed in a temporary table and
/// replaced in one transaction, so that no reader sees an image in use without its users, which would let it expire. Users are not recorded
/// meanwhile; readers are not blocked.
/// </summary>
public static class ImageUsersRebuild
{
    private const string Fold = """
        create temporary table rebuilt_image_users on commit drop as
        select distinct one ->> 'image' as image,
            case type when 'PodObserved' then data ->> 'podUid' else (data ->> 'kind') || '/' || (data ->> 'workloadUid') end as pod_uid,
            data ->> 'namespace' as namespace, data ->> 'name' as pod_name,
            array(select jsonb_array_elements_text(data -> 'pullSecrets')) as pull_secrets
        from (
            select distinct on (stream_id) type, data from kuik.mt_events
            where type in ('PodObserved', 'PodGone', 'WorkloadObserved', 'WorkloadGone')
                and not is_archived
            order by stream_id, version desc) as last,
            jsonb_array_elements(data -> 'images') as images(one)
        where type in ('PodObserved', 'WorkloadObserved')
        """;

    private const string Difference = """
        with surplus as (
            delete from kuik.image_users u where not exists (
                select from rebuilt_image_users r
                where (r.image, r.pod_uid, r.namespace, r.pod_name, r.pull_secrets)
                    = (u.image, u.pod_uid, u.namespace, u.pod_name, u.pull_secrets)) returning image, pod_uid)
        select count(*) from surplus
        """;

    private const string Insert = """
        with missing as (
            insert into kuik.image_users (image, pod_uid, namespace, pod_name, pull_secrets)
            select image, pod_uid, namespace, pod_name, pull_secrets from rebuilt_image_users
            on conflict (image, pod_uid) do nothing returning image)
        select count(*) from missing
        """;

    /// <summary>Rebuilds it.</summary>
    /// <param name="postgres">The event log's database.</param>
    /// <param name="ct">Cancels it; nothing is changed then.</param>
    /// <exception cref="NpgsqlException">Postgres fails, or the table's lock is not granted within 30 seconds. Nothing is
    /// changed.</exception>
    public static async Task<ImageUsersDifference> Rebuild(NpgsqlDataSource postgres, CancellationToken ct)
    {
        await using var connection = await postgres.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await Execute(connection, "set local lock_timeout = '30s'; lock table kuik.image_users in share row exclusive mode", ct);
        await Execute(connection, Fold, ct);
        var surplus = await Execute(connection, Difference, ct);
        var missing = await Execute(connection, Insert, ct);
        await Execute(connection, RunningDigests.RebuildSql, ct);
        await transaction.CommitAsync(ct);
        return new ImageUsersDifference(missing, surplus);
    }

    private static async Task<long> Execute(NpgsqlConnection connection, string sql, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 600 };
        return await command.ExecuteScalarAsync(ct) is long count ? count : 0;
    }
}
