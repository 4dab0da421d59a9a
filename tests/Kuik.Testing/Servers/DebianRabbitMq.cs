namespace Kuik.Testing;

/// <summary>Debian's RabbitMQ, with a node name, folders, an epmd and ports of its own, all on 127.0.0.1, so that it meets no
/// other.</summary>
internal sealed class DebianRabbitMq : IRabbitMqEngine
{
    /// <summary>At load 50 on two cores it took more than a minute.</summary>
    private static readonly TimeSpan LongestStart = TimeSpan.FromMinutes(3);

    private readonly Sandbox sandbox;
    private readonly string folder;
    private readonly int port = FreePort.Next();
    private readonly int managementPort = FreePort.Next();
    private readonly int distributionPort = FreePort.Next();
    private readonly int epmdPort = FreePort.Next();
    private ServerProcess? process;

    private DebianRabbitMq(Sandbox sandbox) => (this.sandbox, folder) = (sandbox, sandbox.NewFolder("rabbitmq"));

    public Uri Address => new($"amqp://kuik:kuik@127.0.0.1:{port}/");

    public Uri Management => new($"http://kuik:kuik@127.0.0.1:{managementPort}/");

    public static async Task<DebianRabbitMq> Create(Sandbox sandbox, TimeSpan? acknowledgementTimeout)
    {
        var rabbit = new DebianRabbitMq(sandbox);
        rabbit.WriteConfiguration();
        File.WriteAllText(Path.Combine(rabbit.folder, "advanced.config"), RabbitMq.AdvancedConfiguration(acknowledgementTimeout));
        await rabbit.Start();
        return rabbit;
    }

    public void Created(string virtualHost)
    {
        // It goes with the whole data folder.
    }

    public async Task Start()
    {
        File.Delete(LogFile);
        process = ServerProcess.Start(sandbox, "rabbitmq", folder, new ServerCommand(Program()) { Environment = Settings() });
        // Its own word is asked for: rabbitmqctl takes a second or two each time.
        await process.WaitUntil(
            async ct => File.Exists(LogFile)
                && (await File.ReadAllTextAsync(LogFile, ct)).Contains("Server startup complete", StringComparison.Ordinal),
            LongestStart);
    }

    public Task Stop()
    {
        process!.Kill();   // a clean stop takes six seconds; confirmed messages are on disk
        return Task.CompletedTask;
    }

    public Task<string> Log() => File.ReadAllTextAsync(LogFile);

    public Task StartWithoutData()
    {
        if (!process!.HasExited)
            process.Kill();
        Directory.Delete(Path.Combine(folder, "mnesia"), recursive: true);
        return Start();
    }

    private string LogFile => Path.Combine(folder, "log", "rabbit.log");

    // Not /usr/sbin/rabbitmq-server: that one changes to the user rabbitmq and to the machine's own folders.
    private static string Program() =>
        (Directory.Exists("/usr/lib/rabbitmq/lib")
            ? Directory.GetDirectories("/usr/lib/rabbitmq/lib", "rabbitmq_server-*").Max()
            : null) is { } home
            ? Path.Combine(home, "sbin", "rabbitmq-server")
            : throw new ServerFailedException("RabbitMQ is not installed: run tests/Kuik.Testing/install-servers");

    private void WriteConfiguration()
    {
        Directory.CreateDirectory(Path.Combine(folder, "log"));
        Directory.CreateDirectory(Path.Combine(folder, "home"));
        File.WriteAllText(Path.Combine(folder, "rabbitmq.conf"), $"""
            listeners.tcp.1 = 127.0.0.1:{port}
            management.tcp.ip = 127.0.0.1
            management.tcp.port = {managementPort}
            default_user = kuik
            default_pass = kuik
            log.file = rabbit.log
            log.file.level = info
            disk_free_limit.absolute = 50MB

            """);
        File.WriteAllText(Path.Combine(folder, "enabled_plugins"), "[rabbitmq_management].\n");
        var cookie = Path.Combine(folder, "home", ".erlang.cookie");
        File.WriteAllText(cookie, Guid.NewGuid().ToString("N"));
        File.SetUnixFileMode(cookie, UnixFileMode.UserRead);
    }

    private Dictionary<string, string?> Settings() => new()
    {
        ["HOME"] = Path.Combine(folder, "home"),
        ["RABBITMQ_NODENAME"] = $"kuik{port}@localhost",
        ["RABBITMQ_MNESIA_BASE"] = Path.Combine(folder, "mnesia"),
        ["RABBITMQ_LOG_BASE"] = Path.Combine(folder, "log"),
        ["RABBITMQ_CONFIG_FILE"] = Path.Combine(folder, "rabbitmq"),
        ["RABBITMQ_ADVANCED_CONFIG_FILE"] = Path.Combine(folder, "advanced.config"),
        ["RABBITMQ_ENABLED_PLUGINS_FILE"] = Path.Combine(folder, "enabled_plugins"),
        ["RABBITMQ_PID_FILE"] = Path.Combine(folder, "pid"),
        ["RABBITMQ_CONF_ENV_FILE"] = "/dev/null",
        ["RABBITMQ_DIST_PORT"] = $"{distributionPort}",
        ["ERL_EPMD_PORT"] = $"{epmdPort}",
        ["ERL_EPMD_ADDRESS"] = "127.0.0.1",
        ["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] = "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none",
    };
}
