using System.Globalization;
using System.Net;
using Kuik.Testing;

namespace Kuik.IntegrationTests.Replicas;

/// <summary>The options of a <see cref="Replica"/>.</summary>
/// <param name="Name"><c>Kuik:Fetcher:Name</c>, the same after a restart.</param>
/// <param name="Port">Where it listens on 127.0.0.1.</param>
/// <param name="Settings">All others.</param>
internal sealed record ReplicaOptions(string Name, int Port, IReadOnlyDictionary<string, string> Settings)
{
    /// <summary>The command in front of the program: <c>unshare</c> with its arguments, for example. Default none.</summary>
    public IReadOnlyList<string> Wrapper { get; init; } = [];
}

/// <summary>The outcome of a background copy at a replica.</summary>
/// <param name="IsCopied">The image is in the cache.</param>
/// <param name="Verdict"><c>kind message</c>, what would be recorded about the image; null for no verdict: another replica is to take
/// it.</param>
internal sealed record CopyOutcome(bool IsCopied, string? Verdict);

/// <summary>One replica of the copy engine, as a process (Kuik.ReplicaHost) that can be stopped, frozen and killed.</summary>
internal sealed class Replica : IDisposable
{
    private const int Freezing = 19;
    private const int Thawing = 18;
    private const int Terminating = 15;

    private readonly ReplicaOptions options;
    private readonly string folder;
    private readonly HttpClient http = new() { Timeout = TimeSpan.FromMinutes(10) };
    private ServerProcess? process;

    public Replica(ReplicaOptions options)
    {
        this.options = options;
        folder = Sandbox.Shared.NewFolder(options.Name);
        SpoolFolder = Path.Combine(folder, "spool");
    }

    public string Name => options.Name;

    public Uri Address => new($"http://127.0.0.1:{options.Port}/");

    public string SpoolFolder { get; }

    public bool IsRunning => process is { HasExited: false };

    public bool IsFrozen { get; private set; }

    /// <summary>SIGTERM has been sent to the process that runs.</summary>
    public bool IsStopping { get; private set; }

    /// <summary>True when it has a connection from this port of 127.0.0.1.</summary>
    public bool HasConnection(int localPort) => IsRunning && ConnectionOwner.Has(process!.Id, localPort);

    public string Log => process?.Log ?? "";

    /// <summary>Starts it, on the same port and with the same spool as before, and waits until it is ready.</summary>
    /// <exception cref="ServerFailedException">It ended or is not ready in time.</exception>
    public async Task Start()
    {
        (IsFrozen, IsStopping) = (false, false);
        string[] command = [.. options.Wrapper, Path.Combine(AppContext.BaseDirectory, "Kuik.ReplicaHost")];
        var server = new ServerCommand(command[0], command[1..]) { Environment = Environment() };
        process = ServerProcess.Start(Sandbox.Shared, options.Name, folder, server);
        await process.WaitUntil(async stop =>
        {
            using var answer = await http.GetAsync(new Uri(Address, "readyz"), stop);
            return answer.IsSuccessStatusCode;
        });
    }

    /// <summary>SIGTERM alone; see <see cref="Stopped"/>.</summary>
    public void BeginStop()
    {
        IsStopping = true;
        process!.Signal(Terminating);
    }

    /// <summary>Waits until it has ended.</summary>
    /// <exception cref="TimeoutException">It is still there.</exception>
    public Task Stopped(TimeSpan within) => Eventually.True(() => process!.HasExited, $"{Name} has ended after SIGTERM", within);

    /// <summary>kill -9; returns when it is gone.</summary>
    public void Kill()
    {
        process!.Kill();
        IsFrozen = false;
    }

    public void Freeze()
    {
        IsFrozen = true;
        process!.Signal(Freezing);
    }

    public void Thaw()
    {
        process!.Signal(Thawing);
        IsFrozen = false;
    }

    /// <summary>Copies an image in the background, and waits for the end of it; a replica that goes meanwhile has no verdict.</summary>
    public async Task<CopyOutcome> Copy(string image, CancellationToken ct)
    {
        try
        {
            using var answer = await http.PostAsync(new Uri(Address, $"copy?image={Uri.EscapeDataString(image)}"), null, ct);
            return answer.StatusCode switch
            {
                HttpStatusCode.OK => new CopyOutcome(true, null),
                HttpStatusCode.BadGateway => new CopyOutcome(false, await answer.Content.ReadAsStringAsync(ct)),
                HttpStatusCode.ServiceUnavailable => new CopyOutcome(false, null),
                var status => throw new InvalidOperationException(
                    $"{Name} answered {(int)status} to a copy of {image}: {await answer.Content.ReadAsStringAsync(ct)}"),
            };
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return new CopyOutcome(false, null);
        }
    }

    /// <summary>Files of blobs in its spool, locks left out.</summary>
    public IReadOnlyList<string> SpooledFiles() => Directory.Exists(SpoolFolder)
        ? [.. Directory.EnumerateFiles(SpoolFolder, "*", SearchOption.AllDirectories).Where(file => Path.GetFileName(file) != "lock")]
        : [];

    public void Dispose() => http.Dispose();

    private Dictionary<string, string?> Environment()
    {
        var settings = new Dictionary<string, string?>
        {
            ["DOTNET_hostBuilder__reloadConfigOnChange"] = "false",   // else each process watches its folder
            ["TMPDIR"] = folder,
            ["ASPNETCORE_URLS"] = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{options.Port}"),
            ["Kuik__Fetcher__Name"] = options.Name,
            ["Kuik__Fetch__SpoolPath"] = SpoolFolder,
        };
        foreach (var (key, value) in options.Settings)
            settings[key.Replace(":", "__", StringComparison.Ordinal)] = value;
        return settings;
    }
}
