using Kuik.Contracts;
using Npgsql;
using NpgsqlTypes;
using Weasel.Postgresql.Tables;

namespace Kuik.EventLog;

/// <summary>
/// The current configuration of each repository that has one, in a table: changed in the transaction that appends
/// <see cref="RepositoryConfigured"/>, for services that do not follow the cluster.
/// </summary>
public static class RepositoryConfigurations
{
    private const string WriteStatement = """
        insert into kuik.repositories (repository, pull_secret_names, pull_secrets_namespace, update_every, update_filters)
        values ($1, $2, $3, $4, $5)
        on conflict (repository) do update set pull_secret_names = excluded.pull_secret_names,
            pull_secrets_namespace = excluded.pull_secrets_namespace, update_every = excluded.update_every,
            update_filters = excluded.update_filters
        """;

    private const string WakeStatement = """
        update kuik.work set wake_at = now() where kind = 'refresh' and (starts_with(image, $1 || ':') or starts_with(image, $1 || '@'))
        """;

    /// <summary>Appends the change, if there is one: then the repository's images are looked at soon for what it means for them. The table
    /// is made to agree in any case: that of an imported log is empty.</summary>
    /// <param name="transaction">Open.</param>
    /// <param name="repository">With its host.</param>
    /// <param name="wanted">The wishes of people as they are now.</param>
    /// <param name="ct">Ends it.</param>
    /// <returns>True when it was news.</returns>
    public static async Task<bool> Change(
        EventLogTransaction transaction, string repository, RepositoryConfiguration wanted, CancellationToken ct)
    {
        var stream = await transaction.Read(
            StreamName.OfRepository(repository), RepositoryConfiguration.Initial, RepositoryConfiguration.Fold, ct);
        await Write(transaction.Connection, repository, wanted, ct);
        if (stream.State.ChangeTo(wanted, repository, await transaction.Now(ct)) is not { } change)
            return false;
        stream.Append(change);
        await using var wake = new NpgsqlCommand(WakeStatement, transaction.Connection) { Parameters = { new() { Value = repository } } };
        await wake.ExecuteNonQueryAsync(ct);
        return true;
    }

    /// <summary>Makes a repository's row this configuration.</summary>
    internal static async Task Write(
        NpgsqlConnection connection, string repository, RepositoryConfiguration wanted, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(WriteStatement, connection)
        {
            Parameters =
            {
                new() { Value = repository },
                new() { Value = wanted.PullSecretNames.ToArray() },
                new() { Value = (object?)wanted.PullSecretsNamespace ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text },
                new() { Value = (object?)wanted.UpdateInterval ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Interval },
                new() { Value = wanted.UpdateFilters.ToArray() },
            },
        };
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>The repositories that people have ever configured.</summary>
    public static async Task<IReadOnlySet<string>> Names(NpgsqlDataSource postgres, CancellationToken ct)
    {
        await using var command = postgres.CreateCommand("select repository from kuik.repositories");
        await using var rows = await command.ExecuteReaderAsync(ct);
        var names = new HashSet<string>();
        while (await rows.ReadAsync(ct))
            names.Add(rows.GetString(0));
        return names;
    }

    /// <summary>The refresh policies of all repositories that have one, by repository.</summary>
    public static async Task<IReadOnlyDictionary<string, RefreshPolicy>> Policies(NpgsqlDataSource postgres, CancellationToken ct)
    {
        await using var command = postgres.CreateCommand(
            "select repository, update_every, update_filters from kuik.repositories where update_every is not null");
        await using var rows = await command.ExecuteReaderAsync(ct);
        var policies = new Dictionary<string, RefreshPolicy>();
        while (await rows.ReadAsync(ct))
            policies.Add(rows.GetString(0), new RefreshPolicy(rows.GetFieldValue<TimeSpan>(1), rows.GetFieldValue<string[]>(2)));
        return policies;
    }

    /// <summary>The table, created by the migration together with Marten's own.</summary>
    internal static Table Table()
    {
        var table = new Table("kuik.repositories");
        table.AddColumn<string>("repository").NotNull().AsPrimaryKey();
        table.AddColumn("pull_secret_names", "text[]").NotNull();
        table.AddColumn<string>("pull_secrets_namespace");
        table.AddColumn("update_every", "interval");
        table.AddColumn("update_filters", "text[]").NotNull();
        return table;
    }
}
