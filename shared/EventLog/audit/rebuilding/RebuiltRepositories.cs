using Kuik.Contracts;
using Npgsql;

namespace Kuik.EventLog.Audit;

/// <summary>The configurations of repositories, by repository.</summary>
internal sealed class RebuiltRepositories : IRebuiltPart
{
    private const string Query =
        "select repository, pull_secret_names, pull_secrets_namespace, update_every, update_filters from kuik.repositories";

    /// <inheritdoc/>
    public string Name => "repository";

    /// <inheritdoc/>
    public IReadOnlyList<string> Tables { get; } = ["kuik.repositories"];

    /// <inheritdoc/>
    public HashSet<string> KeysOf(TouchedKeys touched) => touched.Repositories;

    /// <inheritdoc/>
    public async Task<IReadOnlyCollection<string>> FindDifferent(
        NpgsqlConnection connection, FoldedLog log, IReadOnlyCollection<string>? keys, CancellationToken ct)
    {
        var (different, found) = (new HashSet<string>(), new HashSet<string>());
        await using (var rows = await RebuiltRows.Read(connection, Query, "repository", keys, ct))
            while (await rows.ReadAsync(ct))
            {
                var repository = rows.GetString(0);
                found.Add(repository);
                // A repository without wishes has no event and may have a row.
                if (!Read(rows).Equals(log.Repositories.GetValueOrDefault(repository) ?? RepositoryConfiguration.Initial))
                    different.Add(repository);
            }
        different.UnionWith((keys ?? [.. log.Repositories.Keys]).Where(repository =>
            !found.Contains(repository) && log.Repositories.ContainsKey(repository)));
        return different;
    }

    /// <inheritdoc/>
    public async Task<int> Replace(NpgsqlConnection connection, FoldedLog log, IReadOnlyCollection<string> keys, CancellationToken ct)
    {
        await RebuiltRows.Delete(connection, "kuik.repositories", "repository", keys, ct);
        foreach (var repository in keys)
            if (log.Repositories.GetValueOrDefault(repository) is { } configuration)
                await RepositoryConfigurations.Write(connection, repository, configuration, ct);
        return keys.Count;
    }

    private static RepositoryConfiguration Read(NpgsqlDataReader row) => new()
    {
        PullSecretNames = row.GetFieldValue<string[]>(1),
        PullSecretsNamespace = row.IsDBNull(2) ? null : row.GetString(2),
        UpdateInterval = row.IsDBNull(3) ? null : row.GetFieldValue<TimeSpan>(3),
        UpdateFilters = row.GetFieldValue<string[]>(4),
    };
}
