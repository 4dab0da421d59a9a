using Kuik.Testing;

namespace Kuik.IntegrationTests.Upgrade;

/// <summary>The version that is installed before an upgrade to this one, built from this clone's history.</summary>
internal static class PreviousVersion
{
    /// <summary>
    /// The last commit of the version before the state machine, the work table and the migration step: its services make and change the
    /// tables when they start.
    /// KUIK_TEST_PREVIOUS names another one.
    /// </summary>
    private const string Landed = "0a6878e1adaff8b275763dd07cd84bde5a5e87f4";

    private static readonly Lazy<Task<string>> Built = new(Build);

    /// <summary>Its built services, as <see cref="KuikServiceOptions.Binaries"/>. The first call takes a minute or more.</summary>
    /// <exception cref="ServerFailedException">The commit is not in this clone, or does not build.</exception>
    public static Task<string> Binaries() => Built.Value;

    private static async Task<string> Build()
    {
        var commit = Environment.GetEnvironmentVariable("KUIK_TEST_PREVIOUS") is { Length: > 0 } named ? named : Landed;
        if ((await RunTool.Try("git", ["-C", Checkout.Root, "cat-file", "-e", commit + "^{commit}"])).ExitCode != 0)
        {
            throw new ServerFailedException(
                $"the previous version, commit {commit}, is not in this clone: it needs the whole history (git fetch --unshallow), "
                + "or KUIK_TEST_PREVIOUS with a commit that is there");
        }
        var folder = Sandbox.Shared.NewFolder("previous-version");
        await RunTool.Run("git", ["-C", Checkout.Root, "archive", "--format=tar", "-o", Path.Combine(folder, "source.tar"), commit]);
        await RunTool.Run("tar", ["-xf", Path.Combine(folder, "source.tar"), "-C", folder]);
        var configuration = new DirectoryInfo(AppContext.BaseDirectory).Name;
        foreach (var project in new[] { "pod-watcher", "expiry" })
        {
            await RunTool.Run("dotnet", [
                "build", Path.Combine(folder, "services", project), "-c", configuration, "--nologo", "-v", "quiet", "-clp:NoSummary",
                "-nodeReuse:false",
                "-p:RunAnalyzers=false", "-p:GenerateDocumentationFile=false"]);
        }
        return Path.Combine(folder, "artifacts/bin");
    }
}
