using System.Collections.Concurrent;
using Npgsql;

namespace Kuik.Testing;

/// <summary>An external Postgres. Only databases created here are touched; they are dropped at the end.</summary>
internal sealed class NamedPostgres : IPostgresEngine
{
    private readonly ConcurrentQueue<string> made = [];

    public NamedPostgres(string connection)
    {
        AdminConnection = new NpgsqlConnectionStringBuilder(connection) { Pooling = false }.ConnectionString;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => DropMade();
    }

    public string AdminConnection { get; }

    public void Created(string database) => made.Enqueue(database);

    /// <summary>Drops the created databases; reports failures on standard error.</summary>
    public void DropMade()
    {
        while (made.TryDequeue(out var database))
        {
            try
            {
                using var connection = new NpgsqlConnection(AdminConnection);
                connection.Open();
                using var drop = new NpgsqlCommand($"drop database if exists \"{database}\" with (force)", connection);
                drop.ExecuteNonQuery();
            }
            catch (NpgsqlException e)
            {
                Console.Error.WriteLine($"the database {database} is left in the Postgres that KUIK_TEST_POSTGRES names: {e.Message}");
            }
        }
    }

    public Task Start() =>
        throw new NotSupportedException("a Postgres that KUIK_TEST_POSTGRES names is not ours to start; take Postgres.StartOwn()");

    public Task Stop() =>
        throw new NotSupportedException("a Postgres that KUIK_TEST_POSTGRES names is not ours to stop; take Postgres.StartOwn()");

    public Task<string> Log() =>
        throw new NotSupportedException("the log of a Postgres that KUIK_TEST_POSTGRES names is not ours; take Postgres.StartOwn()");
}
