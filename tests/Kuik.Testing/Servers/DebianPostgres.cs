using Npgsql;

namespace Kuik.Testing;

/// <summary>Debian's Postgres, on a data folder and port of its own, on 127.0.0.1.</summary>
internal sealed class DebianPostgres : IPostgresEngine
{
    private const string User = "postgres";   // the package makes it; Postgres refuses to run as root
    private readonly Sandbox sandbox;
    private readonly string folder;
    private readonly string binaries;
    private readonly int port = FreePort.Next();
    private readonly string[] _settings;
    private ServerProcess? process;

    private DebianPostgres(Sandbox sandbox, string binaries, string[] settings) =>
        (this.sandbox, folder, this.binaries, _settings) = (sandbox, sandbox.NewFolder("postgres"), binaries, settings);

    public string AdminConnection => $"Host=127.0.0.1;Port={port};Username=kuik;Password=kuik;Database=postgres;Pooling=false";

    public static async Task<DebianPostgres> Create(Sandbox sandbox, params string[] settings)
    {
        var binaries = Directory.Exists("/usr/lib/postgresql")
            ? Directory.GetDirectories("/usr/lib/postgresql").Select(version => Path.Combine(version, "bin"))
                .Where(bin => File.Exists(Path.Combine(bin, "initdb"))).Max()
            : null;
        var missing = "Postgres is not installed: run tests/Kuik.Testing/install-servers";
        var postgres = new DebianPostgres(sandbox, binaries ?? throw new ServerFailedException(missing), settings);
        await postgres.Initialise();
        await postgres.Start();
        return postgres;
    }

    public void Created(string database)
    {
        // It goes with the whole data folder.
    }

    public async Task Start()
    {
        process = ServerProcess.Start(sandbox, "postgres", folder, new ServerCommand(
            Path.Combine(binaries, "postgres"), [
                "-D", Path.Combine(folder, "data"), "-p", $"{port}",
                "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=500",
                // kill -9 of a process loses nothing without it; only a crash of the machine would
                "-c", "fsync=off", .. _settings.SelectMany(setting => new[] { "-c", setting })])
        { User = User });
        await process.WaitUntil(async ct =>
        {
            await using var connection = new NpgsqlConnection(AdminConnection);
            await connection.OpenAsync(ct);
            return true;
        });
    }

    public Task Stop() => process!.Stop(signal: 3);   // SIGQUIT: ends every session at once, recovers at the next start

    public Task<string> Log() => Task.FromResult(process!.Log);

    private async Task Initialise()
    {
        var password = Path.Combine(folder, "password");
        await File.WriteAllTextAsync(password, "kuik");
        string[] initdb = [
            Path.Combine(binaries, "initdb"), "-D", Path.Combine(folder, "data"), "-U", "kuik", "-A", "scram-sha-256",
            $"--pwfile={password}", "-E", "UTF8", "--locale=C.UTF-8", "-N"];
        if (Environment.IsPrivilegedProcess)
        {
            await RunTool.Run("chown", ["-R", $"{User}:{User}", folder]);
            initdb = ["setpriv", $"--reuid={User}", $"--regid={User}", "--init-groups", .. initdb];
        }
        await RunTool.Run(initdb[0], initdb[1..]);
    }
}
