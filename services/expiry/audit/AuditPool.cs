using Npgsql;

namespace Kuik.Expiry.Audit;

/// <summary>Two connections to Postgres that refuse every change, so that questions take none of expiry's own. A singleton.</summary>
/// <param name="connection">Of <see cref="ConnectionOf"/>.</param>
public sealed class AuditPool(string connection) : IAsyncDisposable
{
    private const int MostConnections = 2;

    /// <summary>The time limit for a free connection, in seconds.</summary>
    private const int LongestWait = 10;

    private readonly NpgsqlDataSource _source = NpgsqlDataSource.Create(connection);

    /// <summary>Waits for a free connection, and opens it.</summary>
    /// <exception cref="NpgsqlException">Postgres does not answer, or none is free within ten seconds.</exception>
    public async Task<NpgsqlConnection> Open(CancellationToken ct) => await _source.OpenConnectionAsync(ct);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _source.DisposeAsync();

    /// <summary>The connection string of the pool.</summary>
    /// <param name="connection">That of the service.</param>
    public static string ConnectionOf(string connection)
    {
        var own = new NpgsqlConnectionStringBuilder(connection)
        {
            ApplicationName = "kuik-audit",
            MaxPoolSize = MostConnections,
            MinPoolSize = 0,
            Timeout = LongestWait,
        };
        own.Options = $"{own.Options} -c default_transaction_read_only=on".Trim();
        return own.ConnectionString;
    }
}
