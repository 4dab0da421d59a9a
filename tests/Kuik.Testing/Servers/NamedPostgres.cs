using Npgsql;

namespace Kuik.Testing;

/// <summary>A Postgres that somebody else runs. Only databases made here are touched; they are dropped at the end.</summary>
internal sealed class NamedPostgres(string connection) : IPostgresEngine
{
    public string AdminConnection { get; } = new NpgsqlConnectionStringBuilder(connection) { Pooling = false }.ConnectionString;

    public void Created(string database) => AppDomain.CurrentDomain.ProcessExit += (_, _) =>
    {
        using var connection = new NpgsqlConnection(AdminConnection);
        connection.Open();
        using var drop = new NpgsqlCommand($"drop database if exists \"{database}\" with (force)", connection);
        drop.ExecuteNonQuery();
    };

    public Task Start() => throw new NotSupportedException("a Postgres that KUIK_TEST_POSTGRES names is not ours to start; take Postgres.StartOwn()");

    public Task Stop() => throw new NotSupportedException("a Postgres that KUIK_TEST_POSTGRES names is not ours to stop; take Postgres.StartOwn()");
}
