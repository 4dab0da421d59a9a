using Npgsql;

namespace Kuik.Testing;

/// <summary>
/// A real Postgres: the one that <c>KUIK_TEST_POSTGRES</c> (a connection string of a user who may create databases) names,
/// else a container where there is a Docker engine, else Debian's package.
/// </summary>
public sealed class Postgres
{
    private static readonly Lazy<Task<Postgres>> OfThisProcess = new(() => StartNamedOrOwn());
    private readonly IPostgresEngine engine;
    private int databases;

    internal Postgres(IPostgresEngine engine) => this.engine = engine;

    /// <summary>
    /// The one shared by all tests of this process, started by the first of them. Never stop it: use <see cref="StartOwn"/>.
    /// </summary>
    public static Task<Postgres> Shared() => OfThisProcess.Value;

    /// <summary>One for a single test, which may stop and start it.</summary>
    /// <param name="sandbox">Where its data is; default the shared one.</param>
    /// <param name="settings">Settings of postgresql.conf, as <c>name=value</c>, besides those of all tests. Default none.</param>
    public static async Task<Postgres> StartOwn(Sandbox? sandbox = null, params string[] settings) => new(Docker.IsThere
        ? await DockerPostgres.Create(sandbox ?? Sandbox.Shared, settings)
        : await DebianPostgres.Create(sandbox ?? Sandbox.Shared, settings));

    /// <summary>An administrator's connection string.</summary>
    internal string AdminConnection => engine.AdminConnection;

    /// <summary>A new, empty database.</summary>
    /// <returns>A connection string with what Kuik's services need (a dead session is noticed within a second).</returns>
    public async Task<string> NewDatabase()
    {
        var name = $"kuik_{Environment.ProcessId}_{Interlocked.Increment(ref databases)}_{Path.GetRandomFileName()[..6]}";
        await using var connection = new NpgsqlConnection(engine.AdminConnection);
        await connection.OpenAsync();
        await using var create = new NpgsqlCommand($"create database \"{name}\"", connection);
        await create.ExecuteNonQueryAsync();
        engine.Created(name);
        return new NpgsqlConnectionStringBuilder(engine.AdminConnection)
        {
            Database = name,
            Pooling = true,
            MaxAutoPrepare = 20,
            Options = "-c client_connection_check_interval=1000",
            IncludeErrorDetail = true,
        }.ConnectionString;
    }

    /// <summary>Makes it unreachable, as a crash would: every session ends at once.</summary>
    public Task Stop() => engine.Stop();

    /// <summary>Starts it again on the same port with the same data.</summary>
    public Task Start() => engine.Start();

    /// <summary>Its log so far.</summary>
    /// <exception cref="NotSupportedException">It was not started here.</exception>
    public Task<string> Log() => engine.Log();

    private static async Task<Postgres> StartNamedOrOwn() =>
        Environment.GetEnvironmentVariable("KUIK_TEST_POSTGRES") is { Length: > 0 } named
            ? new(new NamedPostgres(named))
            : await StartOwn();
}

/// <summary>Where a Postgres comes from.</summary>
internal interface IPostgresEngine
{
    /// <summary>A user who may create databases; no pooling, so that none of its sessions stays.</summary>
    string AdminConnection { get; }

    /// <summary>A database was made in it.</summary>
    void Created(string database);

    Task Start();

    Task Stop();

    /// <summary>Its log so far.</summary>
    Task<string> Log();
}
