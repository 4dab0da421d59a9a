namespace Kuik.Testing;

/// <summary>The kubectl that tests run.</summary>
public static class KubectlProgram
{
    /// <summary>The one that install-servers has unpacked, which has kustomize 5; where there is none, that of the path.</summary>
    public static string Path { get; } = Find();

    /// <summary>Builds a kustomization.</summary>
    /// <param name="folder">With its kustomization.yaml.</param>
    /// <returns>The objects as YAML documents, or why it cannot be built.</returns>
    public static Task<ToolResult> Build(string folder) => RunTool.Try(Path, ["kustomize", folder]);

    private static string Find()
    {
        var cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } named
            ? named
            : System.IO.Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        var unpacked = System.IO.Path.Combine(cache, "kuik/kubectl-trixie/kubectl");
        return File.Exists(unpacked) ? unpacked : "kubectl";
    }
}
