using Testcontainers.PostgreSql;

namespace Kuik.Testing;

/// <summary>Postgres in a container; Testcontainers removes it when this process is gone.</summary>
internal sealed class DockerPostgres(PostgreSqlContainer container) : IPostgresEngine
{
    public string AdminConnection => container.GetConnectionString() + ";Pooling=false";

    public static async Task<DockerPostgres> Create()
    {
        var postgres = new DockerPostgres(new PostgreSqlBuilder("postgres:15")
            .WithUsername("kuik").WithPassword("kuik").WithDatabase("postgres")
            .WithPortBinding(FreePort.Next(), 5432)   // a chosen one: it must be the same after Stop and Start
            .WithCommand("-c", "max_connections=500", "-c", "fsync=off")
            .Build());
        await postgres.Start();
        return postgres;
    }

    public void Created(string database)
    {
        // It goes with the container.
    }

    public Task Start() => container.StartAsync();

    public Task Stop() => container.StopAsync();
}
