namespace Kuik.Testing;

/// <summary>A real containerd with folders and a socket of its own: the runtime that a kubelet pulls with. Without root it runs in a user
/// namespace of its own.</summary>
public sealed class Containerd
{
    private readonly string folder;

    private Containerd(string folder) => this.folder = folder;

    private string Socket => Path.Combine(folder, "containerd.sock");

    /// <summary>Starts one; takes about a second.</summary>
    /// <param name="sandbox">Where its data is; default the shared one.</param>
    /// <exception cref="ServerFailedException">It does not start.</exception>
    public static async Task<Containerd> Start(Sandbox? sandbox = null)
    {
        sandbox ??= Sandbox.Shared;
        var containerd = new Containerd(sandbox.NewFolder("containerd"));
        var configuration = Path.Combine(containerd.folder, "config.toml");
        await File.WriteAllTextAsync(configuration, $"""
            version = 2
            root = "{containerd.folder}/root"
            state = "{containerd.folder}/state"
            disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
            [grpc]
              address = "{containerd.Socket}"
            [ttrpc]
              address = "{containerd.Socket}.ttrpc"

            """);
        var process = ServerProcess.Start(sandbox, "containerd", containerd.folder, Environment.IsPrivilegedProcess
            ? new ServerCommand("containerd", "-c", configuration)
            : new ServerCommand("unshare", "--user", "--map-root-user", "--mount", "containerd", "-c", configuration));
        await process.WaitUntil(async _ => File.Exists(containerd.Socket) && (await containerd.TryCtr("version")).ExitCode == 0);
        return containerd;
    }

    /// <summary>Pulls an image and unpacks it.</summary>
    /// <param name="image">As a kubelet would name it, for example <c>localhost:7439/docker.io/library/nginx:1.27</c>;
    /// plain HTTP to this machine.</param>
    /// <param name="platform">Default: this machine's.</param>
    /// <returns>The output of ctr.</returns>
    /// <exception cref="ServerFailedException">The pull failed.</exception>
    public Task<string> Pull(string image, string? platform = null) => Ctr(
        ["images", "pull", "--snapshotter", "native", "--plain-http", .. platform is null
            ? Array.Empty<string>()
            : ["--platform", platform], image]);

    /// <summary>Runs ctr against it.</summary>
    /// <returns>The output of ctr.</returns>
    /// <exception cref="ServerFailedException">It failed.</exception>
    public Task<string> Ctr(params string[] arguments) => RunTool.Run("ctr", ["--address", Socket, .. arguments]);

    /// <summary>Runs ctr against it, and returns failures too.</summary>
    public Task<ToolResult> TryCtr(params string[] arguments) => RunTool.Try("ctr", ["--address", Socket, .. arguments]);
}
