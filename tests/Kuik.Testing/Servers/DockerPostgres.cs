using Testcontainers.PostgreSql;

namespace Kuik.Testing;

/// <summary>Postgres in a container; Testcontainers removes it when this process is gone, unless its sandbox is kept.</summary>
internal sealed class DockerPostgres(PostgreSqlContainer container) : IPostgresEngine
{
    public string AdminConnection => container.GetConnectionString() + ";Pooling=false";

    private string Container => container.Id;

    public static async Task<DockerPostgres> Create(Sandbox sandbox, params string[] settings)
    {
        var postgres = new DockerPostgres(new PostgreSqlBuilder("postgres:15")
            .WithUsername("kuik").WithPassword("kuik").WithDatabase("postgres")
            .WithPortBinding(FreePort.Next(), 5432)   // a chosen one: it must be the same after Stop and Start
            .WithCommand(["-c", "max_connections=500", "-c", "fsync=off", .. settings.SelectMany(setting => new[] { "-c", setting })])
            .WithCleanUp(!sandbox.IsKept)
            .Build());
        await postgres.Start();
        sandbox.Owns(postgres.Container);
        return postgres;
    }

    public void Created(string database)
    {
        // It goes with the container.
    }

    public Task Start() => Docker.Start(container);

    public Task Stop() => container.StopAsync();

    public async Task<string> Log()
    {
        var (output, errors) = await container.GetLogsAsync();
        return output + errors;
    }
}
