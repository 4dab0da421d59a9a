using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Kuik.Testing;

namespace Kuik.IntegrationTests.NodeProxy;

/// <summary>
/// node-proxy as it runs on nodes: the native file of <c>dotnet publish</c>, which KUIK_TEST_NODE_PROXY names, or which is made once for
/// each state of the sources.
/// </summary>
internal static class PublishedNodeProxy
{
    private const string Program = "Kuik.NodeProxy";
    private static readonly string[] Sources = ["services/node-proxy", "shared/Contracts", "shared/Hosting", "shared/Oci"];
    private static readonly Lazy<Task<string>> Published = new(Publish);

    /// <summary>Starts one and waits until it is ready.</summary>
    /// <param name="settings">As in appsettings.json.</param>
    /// <param name="isolation">The difference of its environment; null for none.</param>
    /// <returns>It, the address of pulls and that of health and metrics.</returns>
    public static async Task<(ServerProcess Process, Uri Pulls, Uri Health)> Start(
        IReadOnlyDictionary<string, string> settings, NodeIsolation? isolation = null)
    {
        var program = await Published.Value;
        var (port, health) = (FreePort.Next(), new Uri($"http://127.0.0.1:{FreePort.Next()}/"));
        var folder = Sandbox.Shared.NewFolder("published-node-proxy");
        string[] command = isolation is null ? [program] : [.. isolation.Wrap(folder), program];
        var environment = settings.ToDictionary(
            setting => setting.Key.Replace(":", "__", StringComparison.Ordinal), string? (setting) => setting.Value);
        environment["DOTNET_hostBuilder__reloadConfigOnChange"] = "false";
        environment["Kuik__Proxy__Port"] = port.ToString(CultureInfo.InvariantCulture);
        environment["Kuik__Metrics__Urls"] = health.GetLeftPart(UriPartial.Authority);
        var process = ServerProcess.Start(
            Sandbox.Shared, "node-proxy", folder, new ServerCommand(command[0], command[1..]) { Environment = environment });
        using var http = new HttpClient { BaseAddress = health };
        await process.WaitUntil(async ct => (await http.GetAsync(new Uri("readyz", UriKind.Relative), ct)).IsSuccessStatusCode);
        return (process, new Uri($"http://127.0.0.1:{port}/"), health);
    }

    private static async Task<string> Publish()
    {
        if (Environment.GetEnvironmentVariable("KUIK_TEST_NODE_PROXY") is { Length: > 0 } named)
            return named;
        var root = Path.Combine(Checkout.Root, "artifacts/published");
        var made = Path.Combine(root, await HashSources(), Program);
        if (File.Exists(made))
            return made;
        // Folders of its own: a build may be running, and the lock is for another test run. No compiler or build server stays behind.
        Directory.CreateDirectory(root);
        var output = Path.Combine(root, "new");
        await RunTool.Run("flock",
        [
            Path.Combine(root, "lock"), "dotnet", "publish", Path.Combine(Checkout.Root, "services/node-proxy"),
            "-c", "Release", "--use-current-runtime", "--artifacts-path", Path.Combine(root, "build"), "-o", output,
            "--nologo", "-v", "quiet", "-nodeReuse:false", "-p:UseSharedCompilation=false",
        ]);
        Directory.CreateDirectory(Path.GetDirectoryName(made)!);
        File.Copy(Path.Combine(output, Program), made, overwrite: true);
        return made;
    }

    private static async Task<string> HashSources()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var files = Sources.Select(source => Path.Combine(Checkout.Root, source))
            .SelectMany(folder => Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
            .Concat(Directory.EnumerateFiles(Checkout.Root, "Directory.*")).Append(Path.Combine(Checkout.Root, "global.json"));
        foreach (var file in files.Order(StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes(Path.GetRelativePath(Checkout.Root, file) + "\0"));
            hash.AppendData(await File.ReadAllBytesAsync(file));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }
}

/// <summary>A node whose name server is another one, and whose container runtime does not read standard output.</summary>
/// <param name="NameServer">Its address; the process has a mount namespace of its own, with an /etc/resolv.conf that names it alone. That
/// takes root.</param>
internal sealed record NodeIsolation(string NameServer)
{
    /// <summary>The command in front of the program's own.</summary>
    public string[] Wrap(string folder)
    {
        File.WriteAllText(Path.Combine(folder, "resolv.conf"), $"nameserver {NameServer}\n");
        // The process itself holds the reading end of its standard output open, and does not read.
        const string script = "mount --bind resolv.conf /etc/resolv.conf && mkfifo output && exec 3<>output && exec \"$@\" >&3 2>&1";
        return ["unshare", "--mount", "sh", "-c", script, "sh"];
    }
}
