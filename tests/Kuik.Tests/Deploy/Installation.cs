using Kuik.Testing;

namespace Kuik.Tests.Deploy;

/// <summary>An overlay of deploy/kustomize and the components that are added to it.</summary>
/// <param name="Overlay">Name of a folder of deploy/kustomize/overlays.</param>
/// <param name="Components">Names of folders of deploy/kustomize/components, in the order in which they are applied.</param>
internal sealed record Installation(string Overlay, params string[] Components)
{
    public static string Folder { get; } = Path.Combine(Checkout.Root, "deploy/kustomize");

    /// <summary>All overlays that are shipped.</summary>
    public static IReadOnlyList<string> Overlays { get; } = FoldersOf("overlays");

    /// <summary>All components that are shipped.</summary>
    public static IReadOnlyList<string> AllComponents { get; } = FoldersOf("components");

    /// <summary>Builds it as a user would, who writes a kustomization with both lists.</summary>
    /// <exception cref="ServerFailedException">kubectl cannot build it.</exception>
    public async Task<ManifestSet> Build()
    {
        var folder = Directory.CreateTempSubdirectory("kuik-kustomize-");
        try
        {
            var kustomize = Path.GetRelativePath(folder.FullName, Folder);
            await File.WriteAllLinesAsync(Path.Combine(folder.FullName, "kustomization.yaml"),
            [
                "apiVersion: kustomize.config.k8s.io/v1beta1",
                "kind: Kustomization",
                "resources:",
                $"  - {kustomize}/overlays/{Overlay}",
                Components.Length > 0 ? "components:" : "",
                .. Components.Select(component => $"  - {kustomize}/components/{component}"),
            ]);
            return await Build(folder.FullName);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Builds a kustomization.</summary>
    /// <exception cref="ServerFailedException">kubectl cannot build it.</exception>
    public static async Task<ManifestSet> Build(string folder)
    {
        var result = await KubectlProgram.Build(folder);
        return result.ExitCode == 0
            ? ManifestSet.Parse(result.Output)
            : throw new ServerFailedException($"{folder} cannot be built: {result.Errors.Trim()}");
    }

    private static IReadOnlyList<string> FoldersOf(string kind) =>
        [.. Directory.EnumerateDirectories(Path.Combine(Folder, kind)).Select(folder => Path.GetFileName(folder)).Order()];
}
