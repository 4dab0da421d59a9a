using Kuik.Contracts;
using Npgsql;
using Weasel.Postgresql.Tables;

namespace Kuik.EventLog;

/// <summary>
/// The usage table: one row for each image and each pod or workload that uses it. It is a flat table, because no document and no stream may
/// grow with the number of an image's users. <see cref="ImageUsersProjection"/> changes it in the transaction that appends the user's
/// event, which takes <see cref="ImageLocks.TakeToUse"/> first; <see cref="ImageUsersRebuild"/> rebuilds it from the log.
/// </summary>
/// <remarks>Every function works in the transaction that is open on the connection, if there is one.</remarks>
public static class ImageUsers
{
    /// <summary>Replaces the pod's rows by those of this observation.</summary>
    /// <param name="connection">That of the transaction that appends <paramref name="pod"/>.</param>
    /// <param name="pod">The observation.</param>
    /// <param name="ct">Cancels it.</param>
    public static async Task Replace(NpgsqlConnection connection, PodObserved pod, CancellationToken ct)
    {
        await Remove(connection, pod.PodUid, ct);
        await using var command = new NpgsqlCommand(InsertSql('$'), connection)
        {
            Parameters =
            {
                new() { Value = ImagesOf(pod.Images) },
                new() { Value = pod.PodUid },
                new() { Value = pod.Namespace },
                new() { Value = pod.Name },
                new() { Value = pod.PullSecrets.ToArray() },
            },
        };
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>True when the pod has a pull secret that no other user of the image in its namespace has.</summary>
    /// <param name="connection">That of the transaction that appends <paramref name="pod"/>.</param>
    /// <param name="image">Normalised reference.</param>
    /// <param name="pod">The pod.</param>
    /// <param name="ct">Cancels it.</param>
    public static async Task<bool> BringsSecret(NpgsqlConnection connection, string image, PodObserved pod, CancellationToken ct)
    {
        if (pod.PullSecrets.Count == 0)
            return false;
        await using var command = new NpgsqlCommand(
            """
            select exists (select from unnest($3) as brought(secret) where not exists (
                select from kuik.image_users where image = $1 and namespace = $2 and brought.secret = any(pull_secrets)))
            """,
            connection)
        {
            Parameters = { new() { Value = image }, new() { Value = pod.Namespace }, new() { Value = pod.PullSecrets.ToArray() } },
        };
        return (bool)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>Removes the pod's rows.</summary>
    public static async Task Remove(NpgsqlConnection connection, string podUid, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(RemoveSql('$'), connection) { Parameters = { new() { Value = podUid } } };
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>The number of pods and workloads that use the image. Take <see cref="ImageLocks.TakeToExpire"/> before a decision that
    /// rests on zero.</summary>
    public static async Task<int> Count(NpgsqlConnection connection, string image, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select count(*)::int from kuik.image_users where image = $1", connection)
        { Parameters = { new() { Value = image } } };
        return (int)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>True when a pod or workload uses the image. Take <see cref="ImageLocks.TakeToExpire"/> before a decision that rests on
    /// false.</summary>
    public static async Task<bool> IsUsed(NpgsqlConnection connection, string image, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select exists (select from kuik.image_users where image = $1)", connection)
        {
            Parameters = { new() { Value = image } },
        };
        return (bool)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>Those of these images that have no users. Candidates only: decide by <see cref="IsUsed"/>.</summary>
    public static async Task<IReadOnlyList<string>> Unused(NpgsqlConnection connection, IEnumerable<string> images, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            "select w.image from unnest($1) as w(image) where not exists (select from kuik.image_users u where u.image = w.image)",
            connection)
        {
            Parameters = { new() { Value = images.ToArray() } },
        };
        await using var rows = await command.ExecuteReaderAsync(ct);
        var unused = new List<string>();
        while (await rows.ReadAsync(ct))
            unused.Add(rows.GetString(0));
        return unused;
    }

    /// <summary>The key (<see cref="UserKey"/>) of a pod or workload that uses the image; null when none does.</summary>
    public static async Task<string?> FirstOf(NpgsqlConnection connection, string image, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select pod_uid from kuik.image_users where image = $1 limit 1", connection)
        {
            Parameters = { new() { Value = image } },
        };
        return (string?)await command.ExecuteScalarAsync(ct);
    }

    /// <summary>The pods and workloads that use the image, by namespace and name.</summary>
    public static Task<IReadOnlyList<ImageUser>> Of(NpgsqlConnection connection, string image, CancellationToken ct) =>
        Query(connection, "where image = $1", image, ct);

    /// <summary>The rows of one pod.</summary>
    public static Task<IReadOnlyList<ImageUser>> OfPod(NpgsqlConnection connection, string podUid, CancellationToken ct) =>
        Query(connection, "where pod_uid = $1", podUid, ct);

    /// <summary>The whole table.</summary>
    public static Task<IReadOnlyList<ImageUser>> All(NpgsqlConnection connection, CancellationToken ct) => Query(connection, "", null, ct);

    /// <summary>The keys of all pods and workloads in the table.</summary>
    public static async Task<IReadOnlySet<string>> PodUids(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select distinct pod_uid from kuik.image_users", connection);
        await using var rows = await command.ExecuteReaderAsync(ct);
        var uids = new HashSet<string>();
        while (await rows.ReadAsync(ct))
            uids.Add(rows.GetString(0));
        return uids;
    }

    /// <summary>The number of pods and workloads that use each image; images without users are left out.</summary>
    /// <param name="connection">Open.</param>
    /// <param name="images">Of these images; null for all.</param>
    /// <param name="ct">Cancels it.</param>
    public static async Task<IReadOnlyDictionary<string, int>> Counts(NpgsqlConnection connection, IReadOnlyList<string>? images,
        CancellationToken ct)
    {
        var filter = images is null ? "" : "where image = any($1)";
        await using var command = new NpgsqlCommand(
            $"select image, count(*)::int from kuik.image_users {filter} group by image", connection);
        if (images is not null)
            command.Parameters.Add(new() { Value = images.ToArray() });
        await using var rows = await command.ExecuteReaderAsync(ct);
        var counts = new Dictionary<string, int>();
        while (await rows.ReadAsync(ct))
            counts.Add(rows.GetString(0), rows.GetInt32(1));
        return counts;
    }

    /// <summary>The pull secrets of the users of this image, each once, those of a namespace in the order of its users.</summary>
    public static Task<IReadOnlyList<PullSecret>> PullSecretsOfImage(NpgsqlConnection connection, string image, CancellationToken ct) =>
        PullSecrets(connection, "image = $1", image, ct);

    /// <summary>The same for all images of a repository.</summary>
    /// <param name="connection">Open.</param>
    /// <param name="repository">Host and path: <c>docker.io/library/nginx</c>.</param>
    /// <param name="ct">Cancels it.</param>
    public static Task<IReadOnlyList<PullSecret>> PullSecretsOfRepository(NpgsqlConnection connection, string repository,
        CancellationToken ct) =>
        PullSecrets(connection, $"{Repository} = $1", repository, ct);

    /// <summary>An image's repository as SQL: without the digest, else without the tag. In the form that Postgres returns, so that Marten
    /// finds the index unchanged.</summary>
    internal const string Repository = "regexp_replace(image, '(@.*|:[^:/]*)$'::text, ''::text)";

    /// <summary>The table, which Marten creates with its own ones.</summary>
    internal static Table Table()
    {
        var table = new Table("kuik.image_users");
        table.AddColumn<string>("image").NotNull().AsPrimaryKey();
        table.AddColumn<string>("pod_uid").NotNull().AsPrimaryKey();
        table.AddColumn<string>("namespace").NotNull();
        table.AddColumn<string>("pod_name").NotNull();
        table.AddColumn("pull_secrets", "text[]").NotNull();
        table.Indexes.Add(new IndexDefinition("image_users_pod_uid") { Columns = ["pod_uid"] });
        table.Indexes.Add(new IndexDefinition("image_users_repository") { Columns = [Repository] });
        return table;
    }

    /// <summary>The images of containers, each once.</summary>
    internal static string[] ImagesOf(IReadOnlyList<PodImage> images) =>
        [.. images.Select(image => image.Image).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>Removes a user's rows. Parameter: its key.</summary>
    /// <param name="mark"><c>$</c> for numbered parameters (Npgsql), <c>?</c> for Marten's.</param>
    internal static string RemoveSql(char mark) => $"delete from kuik.image_users where pod_uid = {Parameter(mark, 1)}";

    /// <summary>Adds a user's rows. Parameters: images, key, namespace, name, pull secrets.</summary>
    /// <param name="mark">As for <see cref="RemoveSql"/>.</param>
    internal static string InsertSql(char mark) =>
        $"insert into kuik.image_users (image, pod_uid, namespace, pod_name, pull_secrets) select unnest({Parameter(mark, 1)}), "
        + string.Join(", ", Enumerable.Range(2, 4).Select(number => Parameter(mark, number)));

    private static string Parameter(char mark, int number) => mark == '?' ? "?" : $"${number}";

    private static async Task<IReadOnlyList<PullSecret>> PullSecrets(NpgsqlConnection connection, string where, string value,
        CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(PullSecretsQuery(where), connection) { Parameters = { new() { Value = value } } };
        await using var rows = await command.ExecuteReaderAsync(ct);
        var secrets = new List<PullSecret>();
        while (await rows.ReadAsync(ct))
            secrets.Add(new PullSecret(rows.GetString(0), rows.GetString(1)));
        return secrets;
    }

    internal static string PullSecretsQuery(string where) => $"""
        select namespace, secret from kuik.image_users, unnest(pull_secrets) with ordinality as brought(secret, position)
        where {where} group by namespace, secret order by namespace, min(position), secret
        """;

    private static async Task<IReadOnlyList<ImageUser>> Query(NpgsqlConnection connection, string where, string? value,
        CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            $"select image, pod_uid, namespace, pod_name, pull_secrets from kuik.image_users {where} order by image, namespace, pod_name, "
                + "pod_uid", connection);
        if (value is not null)
            command.Parameters.Add(new() { Value = value });
        await using var rows = await command.ExecuteReaderAsync(ct);
        var users = new List<ImageUser>();
        while (await rows.ReadAsync(ct))
            users.Add(new ImageUser(rows.GetString(0), rows.GetString(1), rows.GetString(2), rows.GetString(3),
                rows.GetFieldValue<string[]>(4)));
        return users;
    }
}
