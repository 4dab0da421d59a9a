using System.Diagnostics;
using System.Globalization;

namespace Kuik.Testing;

/// <summary>
/// A folder for servers' data, with a guard that removes everything at the end: a small shell beside this process kills every server in it
/// and deletes it once this process is gone, kill -9 included. (A parent-death signal would be simpler, but Linux sends it when the thread
/// that forked ends, and ours are pool threads.)
/// </summary>
public sealed class Sandbox
{
    private static readonly Lazy<Sandbox> OfThisProcess = new(Guarded);
    private static int Folders;

    private Sandbox(string root, bool isKept = false) => (Root, IsKept) = (Directory.CreateDirectory(root).FullName, isKept);

    /// <summary>The guarded folder shared by everything in this process by default.</summary>
    public static Sandbox Shared => OfThisProcess.Value;

    /// <summary>The folder; every process in it carries <c>KUIK_SANDBOX</c> with this path in its environment.</summary>
    public string Root { get; }

    /// <summary>True when its servers outlive this process.</summary>
    public bool IsKept { get; }

    /// <summary>A folder whose servers outlive this process: for <c>make run</c>. <see cref="End"/> is up to the caller.</summary>
    public static Sandbox Kept(string root)
    {
        var sandbox = new Sandbox(root, isKept: true);
        File.SetUnixFileMode(sandbox.Root, (UnixFileMode)0b111_001_001);   // Postgres runs as another user, below it
        return sandbox;
    }

    /// <summary>An empty folder in it, readable by servers that run as another user.</summary>
    /// <param name="name">Its purpose; a number is added.</param>
    public string NewFolder(string name) =>
        Directory.CreateDirectory(Path.Combine(Root, $"{name}-{Interlocked.Increment(ref Folders)}")).FullName;

    /// <summary>A container belongs to it, and is removed with it.</summary>
    internal void Owns(string container) => File.AppendAllText(Path.Combine(Root, "containers"), container + "\n");

    /// <summary>Kills every server in it and deletes it, at once.</summary>
    public void End()
    {
        using var guard = StartGuard();
        guard.StandardInput.Close();
        guard.WaitForExit();
    }

    private static Sandbox Guarded()
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"kuik-{Environment.ProcessId}-{Path.GetRandomFileName()[..6]}");
        var sandbox = new Sandbox(Path.Combine(Path.GetTempPath(), name));
        File.SetUnixFileMode(sandbox.Root, (UnixFileMode)0b111_001_001);   // Postgres runs as another user, below it
        var guard = sandbox.StartGuard();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => guard.StandardInput.Close();
        return sandbox;
    }

    private Process StartGuard() =>
        Process.Start(new ProcessStartInfo("setsid", ["bash", Path.Combine(AppContext.BaseDirectory, "guard"), Root])
        { RedirectStandardInput = true })!;
}
