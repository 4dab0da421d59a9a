using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// The pull secrets that people name for all images of a repository: <c>spec.pullSecretNames</c> and <c>spec.pullSecretsNamespace</c> of
/// its Repository, from the table that <see cref="RepositoryConfigurations"/> keeps.
/// </summary>
public static class RepositoryPullSecrets
{
    internal const string Query = """
        select pull_secrets_namespace, secret from kuik.repositories, unnest(pull_secret_names) with ordinality as named(secret, position)
        where repository = $1 and pull_secrets_namespace is not null order by position
        """;

    /// <summary>The secrets of a repository, in the order in which they are named; empty without a namespace.</summary>
    /// <param name="connection">Open.</param>
    /// <param name="repository">Host and path: <c>docker.io/library/nginx</c>.</param>
    /// <param name="ct">Ends it.</param>
    /// <exception cref="NpgsqlException">Postgres fails.</exception>
    public static async Task<IReadOnlyList<PullSecret>> Of(NpgsqlConnection connection, string repository, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(Query, connection) { Parameters = { new() { Value = repository } } };
        await using var rows = await command.ExecuteReaderAsync(ct);
        var secrets = new List<PullSecret>();
        while (await rows.ReadAsync(ct))
            secrets.Add(new PullSecret(rows.GetString(0), rows.GetString(1)));
        return secrets;
    }
}
