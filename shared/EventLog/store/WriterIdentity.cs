using System.Reflection;

namespace Kuik.EventLog;

/// <summary>The identity of this process and its version: recorded with every event.</summary>
internal static class WriterIdentity
{
    /// <summary>
    /// The machine's (in a cluster: the pod's) name, and eight hex digits that distinguish processes with the same name, such as a
    /// container before and after its restart.
    /// </summary>
    public static readonly string Replica = $"{Environment.MachineName}-{Guid.NewGuid().ToString("N")[..8]}";

    /// <summary>The program's informational version: the release, with the commit if the build knows it.</summary>
    public static readonly string Version =
        (Assembly.GetEntryAssembly() ?? typeof(WriterIdentity).Assembly).GetCustomAttribute<AssemblyInformationalVersionAttribute>()
            ?.InformationalVersion ?? "unknown";
}
