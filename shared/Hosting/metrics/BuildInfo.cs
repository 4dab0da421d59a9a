using System.Diagnostics.Metrics;
using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;

namespace Kuik.Hosting;

/// <summary>The build of this program, with the labels of v1's <c>build_info</c>.</summary>
public static class BuildInfo
{
    private static readonly Measurement<int> Info = Of(Assembly.GetEntryAssembly() ?? typeof(BuildInfo).Assembly);

    /// <summary>1, with the labels version, revision, built, goversion, goos and goarch.</summary>
    public static Measurement<int> Measure() => Info;

    /// <summary>The measurement for a program. <c>revision</c> is its commit, empty when the build did not know it; <c>built</c> the time
    /// of its file (UTC); <c>goversion</c> the runtime's; <c>goos</c> and <c>goarch</c> are in Go's words, as in v1.</summary>
    /// <param name="program">Its entry assembly.</param>
    internal static Measurement<int> Of(Assembly program)
    {
        var version = program.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";
        var commit = version.IndexOf('+', StringComparison.Ordinal);
        return new Measurement<int>(1,
            new("version", commit < 0 ? version : version[..commit]),
            new("revision", commit < 0 ? "" : version[(commit + 1)..]),
            new("built", BuiltAt(program).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture)),
            new("goversion", RuntimeInformation.FrameworkDescription),
            new("goos", OperatingSystem.IsLinux() ? "linux" : RuntimeInformation.RuntimeIdentifier.Split('-')[0]),
            new("goarch", RuntimeInformation.ProcessArchitecture switch
            {
                Architecture.X64 => "amd64",
                var other => other.ToString().ToLowerInvariant(),
            }));
    }

    // A native program is one file, which is the process's.
    private static DateTime BuiltAt(Assembly program)
    {
        var file = Path.Combine(AppContext.BaseDirectory, program.GetName().Name + ".dll");
        return File.GetLastWriteTimeUtc(File.Exists(file) ? file : Environment.ProcessPath ?? file);
    }
}
