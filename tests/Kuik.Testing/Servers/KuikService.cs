using System.Globalization;

namespace Kuik.Testing;

/// <summary>The options of a service process.</summary>
public sealed record KuikServiceOptions
{
    /// <summary>
    /// Settings as in appsettings.json, for example <c>Kuik:ExpiryDelay</c>; null removes one. They override the defaults set here.
    /// </summary>
    public IReadOnlyDictionary<string, string?> Settings { get; init; } = new Dictionary<string, string?>();

    /// <summary>Default: any free one. For node-proxy, the port of pulls.</summary>
    public int? Port { get; init; }

    /// <summary>
    /// The endpoint that <see cref="KuikService.Start"/> waits for: <c>readyz</c> (default), <c>healthz</c> (it need not
    /// be able to work), or null: none.
    /// </summary>
    public string? WaitFor { get; init; } = "readyz";

    /// <summary>The folder with a folder for each built project, of another version for example. Default: what was built with this
    /// assembly.</summary>
    public string? Binaries { get; init; }

    /// <summary>Its sandbox; default the shared one.</summary>
    public Sandbox? Sandbox { get; init; }

    /// <summary>Its command line: <c>migrate</c> for example. Default: none.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];
}

/// <summary>A service of Kuik as a real process, as it runs in a cluster: built, with settings in its environment.</summary>
public sealed class KuikService
{
    private readonly string project;
    private readonly KuikServiceOptions options;
    private readonly string folder;
    private readonly int healthPort;
    private ServerProcess? process;

    private KuikService(string project, KuikServiceOptions options)
    {
        (this.project, this.options) = (project, options);
        folder = Sandbox.NewFolder(project);
        Port = options.Port ?? FreePort.Next();
        healthPort = project == "NodeProxy" ? FreePort.Next() : Port;
    }

    public int Port { get; }

    /// <summary>The address of its service: pulls for node-proxy, everything for the others.</summary>
    public Uri Endpoint => new($"http://127.0.0.1:{Port}/");

    /// <summary>The address of <c>/healthz</c>, <c>/readyz</c> and <c>/metrics</c>.</summary>
    public Uri Health => new($"http://127.0.0.1:{healthPort}/");

    /// <summary>Its log, restarts included.</summary>
    public string Log => process!.Log;

    /// <summary>The file of its log.</summary>
    public string LogFile => process!.LogFile;

    /// <summary>Its process.</summary>
    public ServerProcess Process => process!;

    private Sandbox Sandbox => options.Sandbox ?? Sandbox.Shared;

    /// <summary>Starts one and waits until it is ready.</summary>
    /// <param name="project">The project's name: <c>Webhook</c>, <c>PodWatcher</c>, <c>ImageFetcher</c>, <c>Expiry</c>,
    /// <c>NodeProxy</c>.</param>
    /// <param name="options">Its settings and the rest.</param>
    /// <exception cref="ServerFailedException">It ended or is not ready in time; the message holds the last lines of its log.</exception>
    public static async Task<KuikService> Start(string project, KuikServiceOptions options)
    {
        var service = new KuikService(project, options);
        await service.Restart();
        return service;
    }

    /// <summary>Creates the event log's tables, as an init container of pod-watcher does.</summary>
    /// <param name="options">As for pod-watcher itself.</param>
    /// <exception cref="ServerFailedException">Its exit code was not 0; the message holds the last lines of its log.</exception>
    public static async Task Migrate(KuikServiceOptions options)
    {
        var migration = await Start("PodWatcher", options with { Arguments = ["migrate"], WaitFor = null });
        if (await migration.Ended() is var code and not 0)
            throw migration.Process.Failed($"migrate ended with exit code {code}");
    }

    /// <summary>Starts it again on the same port with the same settings, and waits as <see cref="Start"/> does.</summary>
    /// <exception cref="ServerFailedException">As for <see cref="Start"/>.</exception>
    public async Task Restart()
    {
        process = ServerProcess.Start(Sandbox, project, folder,
            new ServerCommand("dotnet", [Assembly(), .. options.Arguments]) { Environment = Settings() });
        if (options.WaitFor is { } path)
            await Ready(path);
    }

    /// <summary>Waits until <c>/readyz</c> or <c>/healthz</c> answers 200.</summary>
    /// <exception cref="ServerFailedException">As for <see cref="Start"/>.</exception>
    public async Task Ready(string path = "readyz")
    {
        using var http = new HttpClient { BaseAddress = Health };
        await process!.WaitUntil(async ct =>
        {
            using var answer = await http.GetAsync(new Uri(path, UriKind.Relative), ct);
            return answer.IsSuccessStatusCode
                ? true
                : throw new HttpRequestException($"{path} says {await answer.Content.ReadAsStringAsync(ct)}");
        });
    }

    /// <summary>SIGTERM, and waits until it has ended.</summary>
    /// <exception cref="ServerFailedException">It is still there after 30 seconds.</exception>
    public Task Stop() => process!.Stop();

    /// <summary>kill -9.</summary>
    public void Kill() => process!.Kill();

    /// <summary>Waits until it ends by itself, as after a wrong setting.</summary>
    /// <returns>Its exit code.</returns>
    public async Task<int> Ended()
    {
        await Eventually.True(() => process!.HasExited, $"{project} has ended");
        return process!.ExitCode!.Value;
    }

    /// <summary>artifacts/bin/PROJECT/CONFIGURATION, beside the folder that this very assembly runs from.</summary>
    private string Assembly()
    {
        var own = new DirectoryInfo(AppContext.BaseDirectory);
        var file = Path.Combine(options.Binaries ?? own.Parent!.Parent!.FullName, project, own.Name, $"Kuik.{project}.dll");
        return File.Exists(file) ? file : throw new ServerFailedException($"{project} is not built: there is no {file}");
    }

    private Dictionary<string, string?> Settings()
    {
        var settings = new Dictionary<string, string?>
        {
            ["DOTNET_hostBuilder__reloadConfigOnChange"] = "false",   // else each process watches its folder
            ["TMPDIR"] = folder,   // spool files and the runtime's own: a killed process leaves them, the sandbox does not
            ["ASPNETCORE_URLS"] = project == "NodeProxy" ? null : $"http://127.0.0.1:{Port}",
        };
        if (project == "NodeProxy")
        {
            settings["Kuik__Proxy__Port"] = Port.ToString(CultureInfo.InvariantCulture);
            settings["Kuik__Metrics__Urls"] = $"http://127.0.0.1:{healthPort}";
        }
        foreach (var (key, value) in options.Settings)
            settings[key.Replace(":", "__", StringComparison.Ordinal)] = value;
        return settings;
    }
}
